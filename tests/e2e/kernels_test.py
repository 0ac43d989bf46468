"""Named kernels of the server, and kernels a user writes himself."""

import json
import re
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


if __name__ == "__main__":
    unittest.main()
