#!/usr/bin/env python3
"""Compiles every header on its own: each must include what it needs."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys


def compile_header(header, compiler, includes):
    # The kernel contract is C, and plug-ins may be C++20; everything else is the project's own C++23.
    language, standard = {
        "kernel.h": ("c", "c11"),
        "kernel.hpp": ("c++", "c++20"),
    }.get(header.name if header.parent.name == "shardmill" else "", ("c++", "c++23"))
    command = [*compiler, "-x", language, f"-std={standard}", "-fsyntax-only", *includes, str(header)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else None


def main():
    root = pathlib.Path(sys.argv[1])
    compiler = sys.argv[2:]
    includes = [f"-I{root / 'src'}", f"-I{root / 'include'}", "-w", '-DSHARDMILL_VERSION="0"']
    headers = sorted([*(root / "src").rglob("*.h"), *(root / "include").rglob("*.h"), *(root / "include").rglob("*.hpp")])
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda header: compile_header(header, compiler, includes), headers)
        for header, problem in zip(headers, results):
            if problem:
                failed += 1
                print(f"{header.relative_to(root)} does not compile on its own:\n{problem}")
    print(f"{len(headers)} headers, {failed} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
