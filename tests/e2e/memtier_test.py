"""memtier_benchmark 2, where it is on PATH: mixed load in both protocols, and data read back and compared.

It is no Debian package, so a machine without it runs nothing here and says so."""

import json
import pathlib
import re
import shutil
import tempfile
import unittest

import harness

MEMTIER = shutil.which("memtier_benchmark")
PROTOCOLS = ("memcache_text", "memcache_binary")


class MemtierRounds:
    def setUp(self):
        if MEMTIER is None:
            self.skipTest("memtier_benchmark is not on PATH")

    def memtier(self, protocol, *options, empty=True):
        """Runs it, against an emptied server; its totals as JSON, its output."""
        if empty:
            with harness.Connection(self.server.address) as connection:
                self.assertEqual(connection.ask("flush_all"), "OK")
        with tempfile.TemporaryDirectory() as directory:
            report = pathlib.Path(directory) / "report.json"
            done = harness.run(MEMTIER, "-s", "127.0.0.1", "-p", str(self.server.port), "-P", protocol, "--hide-histogram",
                               f"--json-out-file={report}", "--connection-timeout=60", *options, cwd=directory)
            told = done.stdout + done.stderr
            self.assertEqual(done.returncode, 0, told)
            for bad in ("error", "mismatch", "dropped"):
                self.assertNotIn(bad, told.lower().replace("0 errors", ""), told)
            return (json.loads(report.read_text()) if report.exists() else None), told

    def test_sets_and_gets_in_several_ratios(self):
        for protocol in PROTOCOLS:
            for ratio in ("1:0", "1:10", "10:1", "1:1"):
                with self.subTest(protocol=protocol, ratio=ratio):
                    report, told = self.memtier(protocol, "-t", "2", "-c", "8", "-n", "500", f"--ratio={ratio}",
                                                "--key-maximum=2000", "--distinct-client-seed")
                    self.assertEqual(report["ALL STATS"]["Totals"]["Count"], 2 * 8 * 500, told)

    def test_what_was_stored_is_hit(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                keys = ("-t", "1", "-c", "1", "-n", "allkeys", "--key-pattern=S:S", "--key-minimum=1",
                        "--key-maximum=3000", "--data-size=100")
                report, _ = self.memtier(protocol, *keys, "--ratio=1:0")
                stored = report["ALL STATS"]["Totals"]["Count"]
                with harness.Connection(self.server.address) as connection:
                    self.assertEqual(int(connection.stats()["curr_items"]), stored)
                report, told = self.memtier(protocol, *keys, "--ratio=0:1", empty=False)
                self.assertEqual(report["ALL STATS"]["Gets"]["Misses/sec"], 0, told)
                self.assertGreater(report["ALL STATS"]["Gets"]["Hits/sec"], 0, told)

    def test_pipelines_and_sizes(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                self.memtier(protocol, "-t", "2", "-c", "8", "-n", "500", "--pipeline=32", "--ratio=1:2",
                             "--data-size-range=1-40000", "--random-data", "--key-maximum=500")
                self.memtier(protocol, "-t", "2", "-c", "4", "-n", "500", "--ratio=1:1", "--key-maximum=1000",
                             "--data-size-list=10:50,1000:30,100000:1", "--key-pattern=G:G")

    def test_expiry(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                self.memtier(protocol, "-t", "2", "-c", "8", "-n", "500", "--ratio=1:1", "--expiry-range=1-100",
                             "--data-size-range=10-1000", "--key-maximum=1000", "--pipeline=4")

    def test_several_keys_in_one_get(self):
        # The binary protocol has no such command, and the program refuses it.
        self.memtier("memcache_text", "-t", "2", "-c", "8", "-n", "500", "--ratio=1:10", "--multi-key-get=10",
                     "--key-maximum=1000", "--data-size=100")

    def test_connections_made_anew(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                self.memtier(protocol, "-t", "2", "-c", "8", "-n", "200", "--reconnect-interval=20", "--key-maximum=100")

    def test_data_is_verified(self):
        """Imported items, the last state of every key read back and compared by the program itself."""
        with tempfile.TemporaryDirectory() as directory:
            data = pathlib.Path(directory) / "data.csv"
            with data.open("w", encoding="ascii", newline="") as file:
                file.write("dumpflags, time, exptime, nbytes, nsuffix, it_flags, clsid, nkey, key, data\n")
                for number in range(500):
                    key, value = f"imported-{number}", f"value {number}, \r\n" * (number % 40 + 1)
                    file.write(f'0, 0, 0, {len(value) + 2}, 0, 0, 1, {len(key)}, "{key}", "{value}"\n')
            load = ("-t", "1", "-c", "2", "-n", "500", "--ratio=1:1", f"--data-import={data}", "--no-expiry")
            for protocol in PROTOCOLS:
                with self.subTest(protocol=protocol):
                    # Its reader of text replies gives up while it verifies, with any server; what was stored in text
                    # is read back in binary.
                    at_once = ("--data-verify",) if protocol == "memcache_binary" else ()
                    _, told = self.memtier(protocol, *load, *at_once)
                    if not at_once:
                        _, told = self.memtier("memcache_binary", *load, "--data-verify", "--verify-only", empty=False)
                    verified, failed = re.search(r"(\d+) +keys verified.*\n(\d+) +keys failed", told).groups()
                    self.assertGreaterEqual(int(verified), 250, told)
                    self.assertEqual(int(failed), 0, told)


class OneReactorTest(MemtierRounds, harness.ServerCase):
    SETTINGS = {"memory": 256, "reactors": 1}


class FourReactorsTest(MemtierRounds, harness.ServerCase):
    SETTINGS = {"memory": 256, "reactors": 4}


if __name__ == "__main__":
    unittest.main()
