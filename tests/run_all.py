#!/usr/bin/env python3
"""Builds and runs all tests: the release build with everything, then the sanitizer builds with what they are for.

The last line is "N passed, M failed", counted in single test cases. Exits with 1 when one failed or a build broke."""

import argparse
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent

THREADED = ["store", "runtime", "net", "engine"]  # suites with threads of their own
# The whole server with all its threads, where it takes seconds.
WHOLE = [f"e2e_{name}_test" for name in ("text", "binary", "batch", "job_keys", "connections", "stats", "udp", "tls")]

# Name, meson options, targets of ninja (none: all), arguments of `meson test`. The release build is the one in build/,
# which users have.
BUILDS = [
    ("build", ["-Dtests=true", "-Dbenches=true"], [], []),
    (
        "build-asan",
        ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbenches=false", "-Doptimization=1",
         "-Dcpp_args=-DSHARDMILL_DEBUG"],
        [],
        ["--no-suite", "lint", "--timeout-multiplier", "6"],
    ),
    (
        "build-tsan",
        ["-Db_sanitize=thread", "-Db_lundef=false", "-Dbenches=false", "-Doptimization=1"],
        ["shardmill", "shardmill-cli", *(f"tests/{suite}/test_{suite}" for suite in THREADED)],
        ["--timeout-multiplier", "6", *THREADED, *WHOLE],
    ),
]


def run(command, **keywords):
    print("+", " ".join(str(word) for word in command), flush=True)
    return subprocess.run(command, cwd=ROOT, check=False, **keywords).returncode


def build(name, options, targets):
    if (ROOT / name / "build.ninja").exists():
        code = run(["meson", "configure", *options, name])
    else:
        code = run(["meson", "setup", *options, name])
    return code == 0 and run(["ninja", "-C", name, *targets]) == 0


def count(name):
    """(passed, failed) over all cases of the run's JUnit file."""
    passed = failed = 0
    log = ROOT / name / "meson-logs" / "testlog.junit.xml"
    for case in ElementTree.parse(log).getroot().iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped") is not None
        failed += bad
        passed += not bad and not skipped
        if bad:
            print(f"FAILED in {name}: {case.get('classname', '')} {case.get('name', '')}", flush=True)
        elif skipped:
            print(f"skipped in {name}: {case.get('classname', '')} {case.get('name', '')}", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[name for name, *_ in BUILDS], help="one of the builds")
    chosen = parser.parse_args().only
    passed = failed = 0
    for name, options, targets, arguments in BUILDS:
        if chosen not in (None, name):
            continue
        log = ROOT / name / "meson-logs" / "testlog.junit.xml"
        log.unlink(missing_ok=True)
        if not build(name, options, targets):
            print(f"FAILED: {name} does not build", flush=True)
            failed += 1
            continue
        code = run(["meson", "test", "-C", name, "--no-rebuild", "--print-errorlogs", *arguments],
                   env=os.environ | {"MESON_TESTTHREADS": str(os.cpu_count())})
        if not log.exists():
            print(f"FAILED: no test ran in {name}", flush=True)
            failed += 1
            continue
        now_passed, now_failed = count(name)
        if code != 0 and now_failed == 0:
            print(f"FAILED: the tests of {name} ended with code {code}", flush=True)
            now_failed = 1
        passed += now_passed
        failed += now_failed
    sys.stdout.flush()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
