"""Clients and tools other people wrote, as Debian packages them, against the real server with one reactor and with four.

The rounds of other languages are in clients/; Python's are in python_clients_test.py."""

import os
import pathlib
import shutil
import tempfile
import unittest

import harness

ROUNDS = pathlib.Path(__file__).resolve().parent / "clients"


class ClientRounds:
    def tool(self, name):
        path = shutil.which(name)
        self.assertIsNotNone(path, f"{name} is not installed; see the list of packages in README.md")
        return path

    def run_round(self, program, script, *arguments, **options):
        done = harness.run(self.tool(program), str(ROUNDS / script), *arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_memccapable_passes_whole(self):
        done = harness.run(self.tool("memccapable"), "-h", "127.0.0.1", "-p", str(self.server.port), "-t", "60")
        told = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, told)
        self.assertIn("All tests passed", told)
        self.assertNotIn("FAIL", told)
        lines = told.splitlines()
        for protocol, tests in (("ascii", 27), ("binary", 27)):
            passed = [line for line in lines if line.startswith(protocol) and line.endswith("[pass]")]
            self.assertGreaterEqual(len(passed), tests, told)

    def test_perl_cache_memcached(self):
        self.run_round("perl", "round.pl", "Cache::Memcached", self.server.name)

    def test_perl_cache_memcached_fast(self):
        self.run_round("perl", "round.pl", "Cache::Memcached::Fast", self.server.name)

    def test_php_memcached_in_text(self):
        self.run_round("php", "round.php", "text", "127.0.0.1", str(self.server.port))

    def test_php_memcached_in_binary(self):
        self.run_round("php", "round.php", "binary", "127.0.0.1", str(self.server.port))

    def test_ruby_dalli_in_binary(self):
        self.run_round("ruby", "round.rb", "binary", self.server.name)

    def test_ruby_dalli_in_meta(self):
        release = harness.run(self.tool("ruby"), "-e", "require 'dalli'; puts Dalli::VERSION").stdout
        if [int(part) for part in release.split(".")[:2]] < [3, 2]:
            self.skipTest(f"Dalli {release.strip()} speaks binary only; the meta protocol came with 3.2")
        self.run_round("ruby", "round.rb", "meta", self.server.name)

    def test_node_memjs(self):
        # Not a Debian package: it is tried where NODE_PATH leads to it.
        node = shutil.which("node")
        if node is None or harness.run(node, "-e", "require('memjs')").returncode != 0:
            self.skipTest("node finds no memjs; NODE_PATH can name the folder it is installed in")
        self.run_round("node", "round.js", self.server.name, env=os.environ)

    def memc(self, name, *arguments, protocol=(), wanted=0):
        done = harness.run(self.tool(name), f"--servers={self.server.name}", *protocol, *arguments)
        self.assertEqual(done.returncode, wanted, f"{name} {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def tools_round(self, *protocol):
        """libmemcached's small tools: copy files in, look, touch, list, remove."""
        with tempfile.TemporaryDirectory() as directory:
            values = {"t-small": b"a few bytes\n", "t-empty": b"", "t-large": bytes(range(256)) * 2000}
            for name, value in values.items():
                (pathlib.Path(directory) / name).write_bytes(value)
            self.memc("memccp", *(f"{directory}/{name}" for name in values), protocol=protocol)
            for name, value in values.items():
                copy = pathlib.Path(directory) / "copy"
                self.memc("memccat", f"--file={copy}", name, protocol=protocol)
                self.assertEqual(copy.read_bytes().rstrip(b"\n"), value.rstrip(b"\n"), name)
        self.memc("memcexist", "t-small", protocol=protocol)
        self.memc("memcexist", "t-none", protocol=protocol, wanted=1)
        self.memc("memctouch", "--expire=100", "t-small", protocol=protocol)
        self.memc("memcping")
        self.assertIn("curr_items", self.memc("memcstat", protocol=protocol))
        self.memc("memcrm", "t-small", protocol=protocol)
        self.memc("memcexist", "t-small", protocol=protocol, wanted=1)
        self.memc("memcflush", protocol=protocol)
        self.memc("memcexist", "t-large", protocol=protocol, wanted=1)

    def test_libmemcached_tools_in_text(self):
        self.tools_round()

    def test_libmemcached_tools_in_binary(self):
        self.tools_round("--binary")

    def test_memcslap(self):
        for protocol in ((), ("--binary",), ("--non-blocking",), ("--buffer",)):
            for test in ("set", "get", "mget"):
                self.memc("memcslap", f"--test={test}", "--concurrency=4", "--execute-number=500", protocol=protocol)

    def memcaslap(self, *options):
        """Generated load with values verified: nothing lost, nothing changed."""
        done = harness.run(self.tool("memcaslap"), f"--servers={self.server.name}", "--threads=2", "--concurrency=16",
                           "--execute_number=20000", "--verify=1.0", *options)
        told = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, told)
        counts = dict(line.split(": ") for line in done.stdout.splitlines() if line.count(": ") == 1)
        self.assertGreater(int(counts["cmd_get"]), 10000, told)
        for bad in ("get_misses", "verify_misses", "verify_failed"):
            self.assertEqual(int(counts[bad]), 0, f"{bad}: {told}")

    def test_memcaslap_verifies_values_in_text(self):
        self.memcaslap()
        self.memcaslap("--division=20")

    def test_memcaslap_verifies_values_in_binary(self):
        self.memcaslap("--binary")
        self.memcaslap("--binary", "--division=20")


class OneReactorTest(ClientRounds, harness.ServerCase):
    SETTINGS = {"memory": 256, "reactors": 1}


class FourReactorsTest(ClientRounds, harness.ServerCase):
    SETTINGS = {"memory": 256, "reactors": 4}


if __name__ == "__main__":
    unittest.main()
