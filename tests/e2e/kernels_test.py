"""Named kernels of the server, and kernels a user writes himself."""

import json
import os
import re
import shutil
import tempfile
import time
import unittest

import harness


def finished(test, client, pipeline, *options):
    """Runs a job to its end; its id."""
    reply, _ = client.command(" ".join(["batch run", pipeline, *options]))
    test.assertRegex(reply, "^HD ", pipeline)
    job = reply.split()[1]
    reply, _ = client.command(f"batch wait {job} timeout=60000")
    test.assertIn("state=done", reply)
    return job


class NamedKernelsTest(harness.ServerCase):
    SETTINGS = {"memory": 64}

    def setUp(self):
        self.client = self.connect()
        self.client.expect(self, b"flush_all\r\n", b"OK\r\n")

    def rows(self, pipeline, *options):
        _, rows = self.client.command(f"batch get {finished(self, self.client, pipeline, *options)}")
        return [(key, json.loads(value)) for key, value in rows]

    def test_prefixes_sizes_and_ttls_count_every_item_once(self):
        for number in range(3000):
            self.client.set(b"p%d:%d" % (number % 3, number), b"x" * (number % 50), exptime=number % 2 * 7000)
        rows = self.rows("prefixes")
        self.assertEqual([(key, row["count"], row["expiring"]) for key, row in rows],
                         [("p0:", 1000, 500), ("p1:", 1000, 500), ("p2:", 1000, 500)])
        self.assertLessEqual(rows[0][1]["ttl_max"], 7000)
        for pipeline in ("sizes", "ttls", "idle"):
            self.assertEqual(sum(row["count"] for _, row in self.rows(pipeline)), 3000, pipeline)
        self.assertEqual([key for key, _ in self.rows("ttls")], ["3600", "never"])

    def test_hot_knows_what_was_read(self):
        for key in (b"cold", b"warm", b"hot"):
            self.client.set(key, b"v")
        for key in (b"warm", b"hot", b"hot"):
            self.client.get(key)
        self.assertEqual([(key, row["frequency"]) for key, row in self.rows("hot")], [("hot", 2), ("warm", 1)])

    def test_grep_shows_matching_lines(self):
        self.client.set(b"log:1", b"fine\nwarning: disk 7 is full\n")
        self.client.set(b"log:2", b"fine\n")
        self.assertEqual(self.rows("grep:'disk\\s[0-9]+'", "prefix=log:"),
                         [("log:1", {"in": "value", "offset": 14, "matches": 1, "text": "warning: disk 7 is full"})])

    def test_export_gives_items_with_flags_and_deadline(self):
        value = bytes(range(256))
        self.client.set(b"item:1", value, flags=4294967295, exptime=5000)
        self.client.set(b"item:2", b"")
        job = finished(self, self.client, "export", "prefix=item:")
        self.client.send(f"batch get {job}\r\n".encode())
        head = self.client.line().decode()
        found = re.fullmatch(r"VA 256 kitem:1 f4294967295 e(\d+)", head)
        self.assertIsNotNone(found, head)
        self.assertAlmostEqual(int(found[1]), time.time() + 5000, delta=100)
        self.assertEqual(self.client.exactly(258), value + b"\r\n")
        self.client.expect(self, b"", b"VA 0 kitem:2\r\n\r\nEN done\r\n")


def check(*arguments):
    return harness.run(harness.program("SHARDMILL_KERNEL_CHECK"), *arguments, timeout=300)


class KernelCheckTest(unittest.TestCase):
    """shardmill-kernel-check finds what is wrong, and nothing else."""

    ITEMS = ("--items", "500")

    def built(self, *path):
        return os.path.join(harness.program("SHARDMILL_BUILD"), *path)

    def test_the_examples_pass(self):
        for name, call in (("geohash", "geohash:$.lat,$.lon"), ("near_duplicates", "near_duplicates:$.text")):
            done = check(self.built("tools/kernel", name + ".so"), call, *self.ITEMS)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(", 0 failed", done.stdout)

    def test_each_mistake_is_found(self):
        library = self.built("tests/compute/careless_plugin.so")
        for kernel, wrong, right in (
                ("lopsided", "parts merge into the whole", "load survives random bytes"),
                ("trusting", "load survives random bytes: crashed", "merge is commutative"),
                ("greedy", "memory is announced: holds", "merge is commutative"),
                ("stuck", "survives hostile items: has not ended after", "merge is commutative")):
            if os.environ.get("SHARDMILL_SANITIZED") and kernel in ("trusting", "greedy"):
                continue  # a sanitizer ends the process itself, and knows the heap alone
            done = check(library, kernel, "--items", "3000", "--seconds", "5" if kernel == "stuck" else "60")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn(f"  FAIL  {wrong}", done.stdout)
            self.assertIn(f"  ok    {right}", done.stdout)

    def test_what_is_no_library_is_a_verdict_and_wrong_usage_is_said(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(b"no library")
            file.flush()
            done = check(file.name)
            self.assertEqual(done.returncode, 1)
            self.assertIn("FAIL  loads: not a shared library", done.stdout)
        self.assertEqual(check().returncode, 2)
        done = check(self.built("tools/kernel/geohash.so"), "geohash:$.lat")
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAIL  opens: geohash: needs a latitude and a longitude", done.stdout)


class OwnKernelTest(unittest.TestCase):
    """What include/shardmill/README.md and tools/kernel say, done as written."""

    def setUp(self):
        self.source = harness.program("SHARDMILL_SOURCE")
        self.directory = tempfile.mkdtemp(prefix="shardmill-kernel-")
        self.addCleanup(shutil.rmtree, self.directory)

    def shell(self, script, **environment):
        return harness.run("sh", "-eu", "-c", script, cwd=self.directory, timeout=300,
                           env={**os.environ, "SRC": self.source, "BUILD": harness.program("SHARDMILL_BUILD"),
                                **environment})

    def test_the_readme_can_be_followed(self):
        with open(os.path.join(self.source, "include/shardmill/README.md"), encoding="utf-8") as file:
            text = file.read()
        code = re.search(r"```cpp\n(.*?)```", text, re.DOTALL)[1]
        commands = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1]
        with open(os.path.join(self.directory, "lines.cc"), "w", encoding="utf-8") as file:
            file.write(code)
        # A port of its own; everything else as it stands there.
        self.assertIn("11311", commands)
        tidy = "trap 'test ! -f shardmill.pid || kill $(cat shardmill.pid) 2>/dev/null || true' EXIT\n"
        done = self.shell(tidy + commands.replace("11311", str(harness.free_port())))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("19 checks, 0 failed", done.stdout)
        self.assertRegex(done.stdout, r"\nlines +:<expr> ")
        self.assertRegex(done.stdout, r"\nkey +lines\n[- ]+\n\* +3\n")

    def test_a_new_kernel_builds_passes_and_runs_in_a_server(self):
        done = self.shell('"$SRC/tools/kernel/new-kernel" my_kernel')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        build = next(line for line in done.stdout.splitlines() if line.startswith("    g++ "))
        done = self.shell(build)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        library = os.path.join(self.directory, "my_kernel.so")
        done = check(library, "my_kernel:value", "my_kernel:$.text", "--items", "300")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        broken = os.path.join(self.directory, "broken.so")
        with open(broken, "w", encoding="utf-8") as file:
            file.write("not one")
        with harness.Server(extended=[f"kernel_dir={self.directory}"]) as server, server.connect() as client:
            client.set(b"a", b'{"text":"12345"}')
            client.set(b"b", b'{"text":""}')
            client.set(b"c", b'{"text":7}')
            reply, _ = client.command("batch run my_kernel:$.text")
            job = reply.split()[1]
            reply, _ = client.command(f"batch wait {job} timeout=60000")
            self.assertIn(" matched=2 failed=1 ", reply)
            _, rows = client.command(f"batch get {job}")
            self.assertEqual(rows, [("*", '{"empty":1,"bytes":5}')])
            self.assertIn(f"{broken}: not a shared library", server.text())

    def test_a_name_that_is_none_and_a_file_that_is_there_are_refused(self):
        for arguments in ("", "No", "a-b", "x" * 33, "a b c"):
            self.assertEqual(self.shell(f'"$SRC/tools/kernel/new-kernel" {arguments}').returncode, 2, arguments)
        self.assertEqual(self.shell('"$SRC/tools/kernel/new-kernel" twice').returncode, 0)
        done = self.shell('"$SRC/tools/kernel/new-kernel" twice')
        self.assertEqual(done.returncode, 1)
        self.assertIn("twice.cc is there already", done.stderr)


if __name__ == "__main__":
    unittest.main()
