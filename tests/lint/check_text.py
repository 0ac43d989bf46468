#!/usr/bin/env python3
"""Small rules for all sources: ratchets on file length, no tabs, no trailing spaces, no unfinished marks, no test of the
programs that its page does not know."""

import pathlib
import re
import sys

LINES_MAX = 500
# Longer files that were looked at and left as they are: name -> lines allowed. Only ever lowered.
LONGER = {}
FOLDERS = ("src", "include", "tests", "bench", "tools")
ENDINGS = (".h", ".hpp", ".cc", ".py")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def main():
    root = pathlib.Path(sys.argv[1])
    found = []
    files = [p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in ENDINGS and p.is_file()]
    for path in sorted(files):
        name = path.relative_to(root).as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LONGER.get(name, LINES_MAX):
            found.append(f"{name}: {len(lines)} lines, split it along a real seam")
        for number, line in enumerate(lines, 1):
            if "\t" in line:
                found.append(f"{name}:{number}: a tab")
            if line != line.rstrip():
                found.append(f"{name}:{number}: trailing spaces")
            if UNFINISHED.search(line):
                found.append(f"{name}:{number}: an unfinished mark; do it or file it")
    top = {p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "build"))}
    for extra in sorted(top - {"include", "src", "tests", "bench", "tools", "conf"}):
        found.append(f"{extra}/: not a folder of the layout")
    page = (root / "tests/e2e/README.md").read_text(encoding="utf-8")
    found += [f"tests/e2e/README.md: nothing about {p.name}" for p in sorted((root / "tests/e2e").glob("*_test.py"))
              if p.name not in page]
    for problem in found:
        print(problem)
    print(f"{len(files)} files, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
