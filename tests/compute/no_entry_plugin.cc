// A shared library that is no plug-in.

extern "C" int shardmill_something_else() { return 1; }
