"""The case tables of tests/conformance against memcached itself: they say what it does, or where its version differs.

Debian's memcached is asked, and the one that PEER_MEMCACHED names, if it does. Cases that move the clock need a debug
build of memcached (it has `debugtime`); they are left out elsewhere and counted."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
import case_table  # noqa: E402
import runner  # noqa: E402

# Versions that the tables speak of. Another one proves nothing about them.
VERSIONS = ("1.6.18", "1.6.45")


class Memcached(harness.Server):
    def __init__(self, path, *options):
        super().__init__(*options, memory=64)
        self.command[0] = path


def version_of(path):
    text = subprocess.run([path, "-V"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return text.split()[1]


def can_move_clock(address):
    with harness.Connection(address) as connection:
        return connection.ask("debugtime 0") == "OK"


class PeerTest(unittest.TestCase):
    def prove(self, path):
        version = version_of(path)
        if version not in VERSIONS:
            self.skipTest(f"the tables do not speak of memcached {version}")
        proven = differing = lacking = left_out = 0
        groups = {}
        for cases in case_table.read_all().values():
            for case in cases:
                if version in case.lacks:
                    lacking += 1
                    continue
                options = tuple(option for option in case.needs if option != "fresh")
                # The clock only goes forward: who moves it has a server of his own.
                own = str(case) if "fresh" in case.needs or case.has_clock() else ""
                groups.setdefault((options, own), []).append(case)
        for (options, _), cases in groups.items():
            with Memcached(path, *options) as server:
                control = runner.Control(server.address)
                for case in cases:
                    if case.has_clock() and not can_move_clock(server.address):
                        left_out += 1
                        continue
                    with self.subTest(case=str(case)):
                        runner.run_case(case, server.address, control, version=version)
                        proven += 1
                        differing += version in case.differs
                control.close()
        print(f"memcached {version}: {proven} cases hold, {differing} of them in another form; it has no sense for "
              f"{lacking}, and {left_out} need a clock that can be moved")

    def test_debians_memcached(self):
        path = shutil.which("memcached")
        if path is None:
            self.skipTest("memcached is not installed")
        self.prove(path)

    def test_the_memcached_named_by_peer_memcached(self):
        path = os.environ.get("PEER_MEMCACHED")
        if not path:
            self.skipTest("PEER_MEMCACHED names no memcached")
        self.prove(path)

    def test_every_difference_is_of_a_known_version(self):
        for cases in case_table.read_all().values():
            for case in cases:
                self.assertLessEqual(case.differs.keys() | case.lacks.keys(), set(VERSIONS), str(case))
                for exchange in case.exchanges:
                    self.assertLessEqual(exchange.expectations.keys(), {None, *VERSIONS}, str(case))


if __name__ == "__main__":
    unittest.main()
