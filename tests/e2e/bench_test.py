"""shardmill-bench and bench/side_by_side against the real server: what they count is what happened."""

import json
import os
import unittest

import harness


class BenchTest(harness.ServerCase):
    SETTINGS = {"memory": 256}

    def bench(self, *arguments, code=0):
        done = harness.run(harness.program("SHARDMILL_BENCH"), "-s", self.server.name, "--json", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def counters(self):
        with self.server.connect() as client:
            stats = client.stats()
        return {name: int(stats[name]) for name in ("cmd_get", "cmd_set", "get_hits", "get_misses", "curr_items")}

    def test_it_counts_what_the_server_counts(self):
        before = self.counters()
        result = self.bench("--keys", "3000", "--requests", "20001", "--ratio", "1:3", "-c", "7", "-t", "2",
                            "--pipeline", "5", "--key-prefix", "count:", "--server-pid", str(self.server.pid))
        after = self.counters()
        self.assertEqual(result["requests"], 20001)
        self.assertEqual(result["gets"] + result["sets"], 20001)
        for mine, theirs in (("gets", "cmd_get"), ("sets", "cmd_set"), ("hits", "get_hits"), ("misses", "get_misses")):
            self.assertEqual(result[mine], after[theirs] - before[theirs], mine)
        self.assertGreater(result["misses"], 0)
        self.assertEqual(result["errors"], 0)
        self.assertAlmostEqual(result["gets"] / result["sets"], 3, delta=0.5)
        self.assertGreater(result["server_cpu_us_per_request"], 0)
        self.assertLessEqual(result["server_cpu_s"], 4 * result["seconds"] + 1)
        self.assertEqual(result["latency_us"]["all"]["count"], 20001)
        latency = result["latency_us"]["all"]
        self.assertLessEqual(latency["p50"], latency["p99"])
        self.assertLessEqual(latency["p99"], latency["max"])

    def test_prefill_stores_every_key_and_values_are_verified(self):
        before = self.counters()["curr_items"]
        filled = self.bench("--keys", "10001", "--prefill-only", "--key-prefix", "fill:", "-c", "9", "-t", "3",
                            "--value-size", "0-3000")
        self.assertEqual(filled["sets"], 10001)
        self.assertEqual(self.counters()["curr_items"] - before, 10001)
        result = self.bench("--keys", "10001", "--requests", "30000", "--ratio", "0:1", "--key-prefix", "fill:",
                            "--value-size", "0-3000", "--verify", "--multiget", "7", "--pipeline", "3")
        self.assertEqual((result["misses"], result["wrong"], result["errors"]), (0, 0, 0))
        self.assertEqual(result["keys"], 7 * 30000)

    def test_verification_finds_a_wrong_value(self):
        self.bench("--keys", "100", "--prefill-only", "--key-prefix", "bad:")
        with self.server.connect() as client:
            client.set(b"bad:" + b"7".rjust(20, b"0"), b"x" * 100)
        result = self.bench("--keys", "100", "--requests", "5000", "--ratio", "0:1", "--key-prefix", "bad:", "--verify",
                            code=1)
        self.assertGreater(result["wrong"], 0)

    def test_every_distribution_and_size_runs(self):
        for arguments in (("--distribution", "zipf:1.1"), ("--distribution", "sequential"),
                          ("--distribution", "zipf:0.5", "--value-size", "lognormal:300,1.5,20000"),
                          ("--value-size", "50000", "--pipeline", "4", "-c", "4", "--ratio", "1:1")):
            with self.subTest(arguments=arguments):
                result = self.bench("--keys", "1000", "--requests", "3000", "--prefill", "--verify", "--key-prefix",
                                    "dist:", *arguments)
                self.assertEqual((result["wrong"], result["errors"], result["misses"]), (0, 0, 0))

    def test_a_rate_is_kept(self):
        result = self.bench("--keys", "1000", "--rate", "2000", "--duration", "1", "-c", "10", "-t", "2")
        self.assertAlmostEqual(result["requests"], 2000, delta=20)

    def test_unix_sockets_are_served(self):
        path = os.path.join(self.directory, "bench.sock")
        with harness.Server(unix=path) as server:
            done = harness.run(harness.program("SHARDMILL_BENCH"), "-s", server.name, "--prefill", "--keys", "500",
                               "--requests", "2000", "--verify", "--ratio", "0:1")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("misses 0", done.stdout)

    def test_errors_of_the_server_are_counted_and_fail(self):
        result = self.bench("--keys", "10", "--requests", "20", "--ratio", "1:0", "--value-size", "2000000", "-c", "2",
                            code=1)
        self.assertEqual(result["errors"], 20)
        self.assertIn("too large", result["first_error"])


class BenchUsageTest(unittest.TestCase):
    def test_wrong_usage_ends_with_two(self):
        for arguments in (("--ratio", "0:0"), ("--ratio", "1"), ("--value-size", "x"), ("--value-size", "9-3"),
                          ("--distribution", "normal"), ("--key-size", "5"), ("-t", "5", "-c", "3"), ("--nonsense",),
                          ("--pipeline", "0"), ("-s", "host:")):
            with self.subTest(arguments=arguments):
                done = harness.run(harness.program("SHARDMILL_BENCH"), *arguments)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertNotEqual(done.stderr, "")

    def test_no_server_is_told(self):
        done = harness.run(harness.program("SHARDMILL_BENCH"), "-s", f"127.0.0.1:{harness.free_port()}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is the server running", done.stderr)


class SideBySideTest(unittest.TestCase):
    @staticmethod
    def run_bench(*arguments):
        return harness.run(harness.program("SHARDMILL_SIDE_BY_SIDE"), "--short", "--build",
                           os.path.dirname(harness.program("SHARDMILL")), *arguments, timeout=300)

    def test_short_figures_are_sane(self):
        done = self.run_bench("--check", "--json", "01", "06", "20", "22")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
        self.assertEqual(list(rows), ["01-get-1", "06-set-16", "20-lone", "22-idle"])
        for name in ("01-get-1", "06-set-16"):
            self.assertGreater(rows[name]["against"]["memcached"], 0)
        for server in ("shardmill", "memcached"):
            self.assertGreater(rows["20-lone"][server]["p50"], 0)
            self.assertIn("bytes_per_connection", rows["22-idle"][server])

    def test_a_scenario_that_is_not_there_is_told(self):
        done = self.run_bench("nonesuch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no scenario 'nonesuch'; there are 01-get-1", done.stderr)


if __name__ == "__main__":
    unittest.main()
