#!/usr/bin/env python3
"""Checks that includes go only the way src/README.md allows, and that system libraries stay where they belong."""

import pathlib
import re
import sys

# Folder -> folders whose headers it may include, besides its own. The order is that of the layers.
ALLOWED = {
    "base": set(),
    "config": {"base"},
    "protocol": {"base"},
    "store": {"base"},
    "compute": {"base", "store"},
    "uring": {"base"},
    "snapshot": {"base", "store", "uring/file.h"},
    "runtime": {"base", "uring"},
    "net": {"base", "protocol", "uring", "runtime"},
    "engine": {"base", "config", "protocol", "store", "compute", "uring", "snapshot", "runtime", "net"},
    "admin": {"base", "config", "engine", "runtime/task_queue.h"},
}
# engine knows net by what net shows to the outside, not by its insides.
NET_PUBLIC = {"net/executor.h", "net/server.h"}
# Library header prefix -> files (relative to src/) that may include it.
LIBRARIES = {
    "sasl/": lambda path: path == "engine/sasl_service.cc",
    "liburing": lambda path: path.startswith("uring/"),
    "openssl/": lambda path: path.startswith("net/tls_"),
    "boost/": lambda path: path.startswith("admin/") or path.startswith("runtime/worker_pool"),
    "dlfcn.h": lambda path: path.startswith("compute/"),
    "simdjson": lambda path: path.startswith("compute/"),
    "re2/": lambda path: path.startswith("compute/"),
    "zstd": lambda path: path.startswith("snapshot/"),
    "CLI/": lambda path: False,
    "getopt.h": lambda path: path.startswith("config/"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def problems_of(path, name):
    folder = name.split("/")[0]
    text = path.read_text(encoding="utf-8")
    for quote, target in INCLUDE.findall(text):
        for prefix, allowed in LIBRARIES.items():
            if target.startswith(prefix) and not allowed(name):
                yield f"{name}: includes <{target}>, which is not allowed there"
        if quote == "<" or "/" not in name or target.startswith("shardmill/"):
            continue
        other = target.split("/")[0]
        if other == folder:
            continue
        if other not in ALLOWED.get(folder, set()) and target not in ALLOWED.get(folder, set()):
            yield f'{name}: includes "{target}", and {folder} may not use {other}'
        elif folder == "engine" and other == "net" and target not in NET_PUBLIC:
            yield f'{name}: includes "{target}", which is an inside of net'
    if path.suffix == ".h" and "#pragma once" not in text:
        yield f"{name}: has no #pragma once"
    if path.suffix == ".cc" and name != "main.cc":
        own = name[:-3] + ".h"
        includes = [target for _, target in INCLUDE.findall(text)]
        if (path.parent / (path.stem + ".h")).exists() and (not includes or includes[0] != own):
            yield f'{name}: its own header "{own}" must come first'


def main():
    source = pathlib.Path(sys.argv[1])
    files = sorted(p for p in source.rglob("*") if p.suffix in (".h", ".cc"))
    found = []
    for path in files:
        name = path.relative_to(source).as_posix()
        if "/" in name and name.split("/")[0] not in ALLOWED:
            found.append(f"{name}: a folder that the layers do not know")
            continue
        found.extend(problems_of(path, name))
    for problem in found:
        print(problem)
    print(f"{len(files)} files, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
