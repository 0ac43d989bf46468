"""The load generators. `measure` runs a scenario against a server once and returns figures: us_per_op (of the server's
CPU, per key or set), ops_per_s, p50, p99 and p99_9 in microseconds, misses, and whether the generator was the limit."""

import json
import os
import shutil
import subprocess
import tempfile

from servers import Failure, process_cpu_s

KEY_BYTES = 24
MEMTIER_PREFIX = "key:"
OPEN_LOOP_DEPTH = 256  # on schedule, requests may queue up instead of being held back


class ShardmillBench:
    name = "shardmill-bench"

    def __init__(self, options):
        self.options = options
        self.program = os.path.join(options.build, "shardmill-bench")
        if not os.access(self.program, os.X_OK):
            raise Failure(f"{self.program} is not there; build it first or give --build DIR")

    def run(self, server, scenario, *arguments):
        command = [self.program, "-s", f"127.0.0.1:{server.port}", "--key-size", str(KEY_BYTES),
                   "--value-size", str(scenario.value_bytes),
                   "-t", str(min(self.options.generator_threads, scenario.connections)),
                   "-c", str(scenario.connections), "--server-pid", str(server.process.pid), "--json", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def prefill(self, server, scenario):
        self.run(server, scenario, "--keys", str(scenario.keys), "--prefill-only")

    def measure(self, server, scenario, rate=0):
        """`rate`: requests a second, on schedule; 0: as fast as the replies come."""
        result = self.run(server, scenario, "--keys", str(scenario.requested_keys or scenario.keys),
                          "--pipeline", str(OPEN_LOOP_DEPTH if rate else scenario.in_flight),
                          "--ratio", scenario.sets_to_gets, "--multiget", str(scenario.multiget),
                          "--distribution", scenario.distribution, "--duration", str(self.options.duration),
                          "--warmup", str(self.options.duration / 5), *(["--rate", f"{rate:.0f}"] if rate else []))
        latency = result["latency_us"]["all"]
        return {"us_per_op": result["server_cpu_us_per_key"], "ops_per_s": result["keys_per_s"],
                "requests_per_s": result["requests_per_s"], "p50": latency["p50"], "p99": latency["p99"],
                "p99_9": latency["p99_9"], "misses": result["misses"], "limit": result["generator_is_the_limit"]}


class Memtier:
    """An independent check of the plain scenarios."""
    name = "memtier_benchmark"

    def __init__(self, options):
        self.options = options
        self.program = shutil.which("memtier_benchmark")
        if not self.program:
            raise Failure("memtier_benchmark is not on PATH; leave out --generator memtier to use shardmill-bench")

    def run(self, server, scenario, *arguments):
        # Keys are a prefix and a number without leading zeros: as long as KEY_BYTES at most.
        prefix = MEMTIER_PREFIX.ljust(KEY_BYTES - len(str(scenario.keys)), "0")
        with tempfile.TemporaryDirectory(prefix="shardmill-bench-") as directory:
            path = os.path.join(directory, "result.json")
            command = [self.program, "-s", "127.0.0.1", "-p", str(server.port), "--protocol", "memcache_text",
                       "-d", str(scenario.value_bytes), "--key-prefix", prefix, "--key-minimum", "1",
                       "--key-maximum", str(scenario.requested_keys or scenario.keys), "--hide-histogram",
                       "--json-out-file", path, *arguments]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode != 0:
                raise Failure(f"{' '.join(command)} failed:\n{done.stdout}")
            with open(path, encoding="utf-8") as file:
                return json.load(file)["ALL STATS"]["Totals"]

    def prefill(self, server, scenario):
        self.run(server, scenario, "--ratio", "1:0", "--key-pattern", "P:P", "-n", "allkeys", "-c", "10", "-t", "1",
                 "--pipeline", "16")

    def measure(self, server, scenario, rate=0):
        if rate or scenario.multiget != 1 or scenario.distribution != "uniform":
            raise Failure(f"{scenario.name} needs shardmill-bench: leave out --generator memtier")
        threads = min(self.options.generator_threads, scenario.connections)
        before, cpu = server.stats(), process_cpu_s(server.process.pid)
        totals = self.run(server, scenario, "--ratio", scenario.sets_to_gets, "--pipeline", str(scenario.in_flight),
                          "-t", str(threads), "-c", str(scenario.connections // threads), "--key-pattern", "R:R",
                          "--test-time", str(max(1, round(self.options.duration))))
        cpu, after = process_cpu_s(server.process.pid) - cpu, server.stats()
        done = sum(int(after[name]) - int(before[name]) for name in ("cmd_get", "cmd_set"))
        percentiles = totals.get("Percentile Latencies", {})
        return {"us_per_op": cpu * 1e6 / max(done, 1), "ops_per_s": totals["Ops/sec"],
                "requests_per_s": totals["Ops/sec"], "p50": 1000 * percentiles.get("p50.00", 0),
                "p99": 1000 * percentiles.get("p99.00", 0), "p99_9": 1000 * percentiles.get("p99.90", 0),
                "misses": int(after["get_misses"]) - int(before["get_misses"]), "limit": False}
