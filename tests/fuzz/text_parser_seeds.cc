#include "fuzz/text_parser_seeds.h"

namespace shardmill::fuzz {
namespace {

constexpr std::string_view kSeeds[] = {
    "get a\r\n",
    "get a bb ccc  dddd\n",
    "gets a b\r\n",
    "gat 10 a b\r\n",
    "gats -1 a\r\n",
    "set k 1 2 3\r\nabc\r\n",
    "set k 4294967296 +1 0 noreply\r\n\r\nget k\r\n",
    "set k x 0 3\r\nabc\r\nversion\r\n",
    "set k 0 0 1\r\nxx\r\n",
    "set k 0 0 100\r\nshort",
    "add k 0 0 1\r\nx\r\n",
    "replace k 0 -1 1\r\nx\r\n",
    "append k 0 0 2\r\nab\r\n",
    "prepend k 0 0 2\r\nab\r\n",
    "cas k 0 0 1 18446744073709551615 noreply\r\nx\r\n",
    "delete k 0\r\n",
    "delete noreply\r\n",
    "incr k 1\r\n",
    "decr k 18446744073709551616\r\n",
    "touch k 2147483647 noreply\r\n",
    "mg k b k c f h l s t v O1 q u T30 N1 R5 E2 C3\r\n",
    "mg YWI= b k\r\n",
    "ms k 3 c s k O5 F1 T2 MA N9 I\r\nabc\r\n",
    "ms YWI= 1 b q\r\nx\r\n",
    "ms k 2 M\r\nab\r\n",
    "md k q I T5 C1 E2 x\r\n",
    "ma k M- D5 J7 N60 v t c\r\n",
    "mn\r\n",
    "me YWI= b v\r\n",
    "version\r\n",
    "verbosity 1\r\n",
    "flush_all 10 noreply\r\n",
    "stats items\r\n",
    "shutdown graceful\r\n",
    "cache_memlimit 128 noreply\r\n",
    "slabs reassign 1 2\r\n",
    "lru tune 10 25 0.1 2.0\r\n",
    "lru_crawler metadump all\r\n",
    "extstore item_size 512\r\n",
    "refresh_certs\r\n",
    "watch fetchers mutations\r\n",
    "quit\r\n",
    "batch run by:$.section|agg:count,sum($.size) prefix=pkg:\r\n",
    "batch run - payload=9 name=x\r\nwordcount\r\nbatch list\r\n",
    "snapshot save\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\r\n",
    " flush_all\r\n",
    "mn\r\nget a\r\nset k 0 0 1\r\nx\r\nmg k v\r\nquit\r\n",
};

}  // namespace

std::span<const std::string_view> text_parser_seeds() noexcept { return kSeeds; }

}  // namespace shardmill::fuzz
