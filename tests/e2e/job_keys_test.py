"""Jobs for clients that know nothing but get, set and delete: keys under ~b/, in all protocols."""

import json
import os
import unittest

import binary_test
import harness
from binary_test import DELETE, GET, SET, packet, store

KEYS = 2000
ALL = b'{"key":"*","value":{"count":%d}}\n' % KEYS


def fill(client):
    client.send(b"".join(b'set order:%d 0 0 12\r\n{"n": %5d}\r\n' % (i, i) for i in range(KEYS)))
    if client.exactly(8 * KEYS) != b"STORED\r\n" * KEYS:
        raise AssertionError("not stored")


class TextTest(harness.ServerCase):
    SETTINGS = {"memory": 64, "reactors": 2, "extended": ("workers=1",)}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.connect() as client:
            fill(client)

    def setUp(self):
        self.client = self.connect()

    def run_job(self, name, text):
        """Its status once it has ended."""
        def ended():
            status = json.loads(self.client.get(b"~b/stat/" + name))
            return status if status["state"] in ("done", "failed", "stopped") else None

        self.assertEqual(self.client.set(b"~b/run/" + name, text), b"STORED")
        return harness.wait_for(ended)

    def test_set_runs_and_get_answers(self):
        status = self.run_job(b"sum", b"agg:count,sum($.n)\nprefix=order:")
        self.assertEqual((status["name"], status["state"], status["matched"], status["rows"]), ("sum", "done", KEYS, 1))
        row = json.loads(self.client.get(b"~b/out/sum"))
        self.assertEqual(row, {"key": "*", "value": {"count": KEYS, "sum($.n)": KEYS * (KEYS - 1) // 2}})
        self.assertEqual(self.client.get(b"~b/run/sum"), b"agg:count,sum($.n)")
        self.assertEqual(self.client.get(b"~b/stat/" + status["id"].encode()), self.client.get(b"~b/stat/sum"))

    def test_rows_that_are_items_are_one_line_each(self):
        self.client.set(b"doc:1", b'{"a":1}', flags=7)
        self.client.set(b"doc:2", b'{"a":\n1}')
        self.client.set(b"doc:3", b'{"a":')
        self.client.set(b"doc:4", b"\xff")
        self.run_job(b"docs", b"export\nprefix=doc:")
        rows = [json.loads(line) for line in self.client.get(b"~b/out/docs").splitlines()]
        self.assertEqual(sorted(rows, key=lambda row: row["key"]), [
            {"key": "doc:1", "flags": 7, "value": {"a": 1}}, {"key": "doc:2", "value": '{"a":\n1}'},
            {"key": "doc:3", "value": '{"a":'}, {"key": "doc:4", "value64": "/w=="}])
        for row in rows:
            self.client.ask("delete " + row["key"])

    def test_several_keys_and_those_of_others_between(self):
        self.run_job(b"two", b"agg:count")
        self.client.expect(self, b"get order:1 ~b/run/two order:2 none ~b/stat/none order:3\r\n",
                           b'VALUE order:1 0 12\r\n{"n":     1}\r\nVALUE ~b/run/two 0 9\r\nagg:count\r\n'
                           b'VALUE order:2 0 12\r\n{"n":     2}\r\nVALUE order:3 0 12\r\n{"n":     3}\r\nEND\r\n')

    def test_what_is_asked_behind_it_waits_for_the_answer(self):
        self.client.expect(self, b"set before 0 0 1\r\nb\r\nset ~b/run/order 0 0 9\r\nagg:count\r\nget before ~b/run/order\r\nmn\r\n",
                           b"STORED\r\nSTORED\r\nVALUE before 0 1\r\nb\r\nVALUE ~b/run/order 0 9\r\nagg:count\r\nEND\r\nMN\r\n")
        self.client.ask("delete before")

    def test_delete_stops_and_forgets(self):
        self.client.set(b"~b/run/gone", b"agg:count")
        self.assertEqual(self.client.ask("delete ~b/run/gone"), "DELETED")
        self.assertEqual(self.client.ask("delete ~b/run/gone"), "NOT_FOUND")
        for key in (b"~b/run/gone", b"~b/stat/gone", b"~b/out/gone"):
            self.assertIsNone(self.client.get(key))

    def test_mistakes_are_told(self):
        for key, value, wanted in ((b"~b/run/x", b"agg:", b"CLIENT_ERROR "), (b"~b/run/", b"agg:count", b"CLIENT_ERROR "),
                                   (b"~b/out/x", b"1", b"CLIENT_ERROR only ~b/run/"),
                                   (b"~b/run/x", b"agg:count\ncolour=red", b"CLIENT_ERROR "),
                                   (b"~b/run/x", b"a" * 70000, b"SERVER_ERROR object too large")):
            self.assertTrue(self.client.set(key, value).startswith(wanted), (key, value[:20]))
        for line in ("incr ~b/run/x 1", "touch ~b/stat/x 0", "delete ~b/out/x", "ma ~b/run/x", "md ~b/run/x C1"):
            self.assertTrue(self.client.ask(line).startswith("CLIENT_ERROR "), line)
        self.assertIsNone(self.client.get(b"~b/run/x"))
        self.assertEqual(self.client.ask("get ~b/other ~b/ ~b/out/none ~b/out/none/3"), "END")
        self.client.expect(self, b"set ~b/run/x 0 0 4\r\nagg:xx\r\nmn\r\n",
                           b"CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\nMN\r\n")
        self.client.expect(self, b"set ~b/run/x 0 0 4 noreply\r\nagg:\r\nmn\r\n", b"MN\r\n")

    def test_nothing_of_it_is_left_in_the_cache(self):
        before = self.client.stats()
        self.run_job(b"left", b"agg:count")
        self.assertEqual(self.client.get(b"~b/out/left"), ALL)
        after = self.client.stats()
        self.assertEqual(after["curr_items"], before["curr_items"])
        self.assertEqual(int(after["cmd_set"]), int(before["cmd_set"]) + 1)

    def test_meta_commands_get_what_they_ask_for(self):
        self.client.expect(self, b"ms ~b/run/meta 9 k Oq\r\nagg:count\r\n", b"HD k~b/run/meta Oq\r\n")
        harness.wait_for(lambda: self.client.get(b"~b/out/meta"))
        self.client.expect(self, b"mg ~b/out/meta s k f v\r\n", b"VA %d s%d k~b/out/meta f0\r\n%s\r\n" % (len(ALL), len(ALL), ALL))
        self.client.expect(self, b"mg fmIvb3V0L21ldGE= b s\r\n", b"HD s%d\r\n" % len(ALL))
        self.client.expect(self, b"mg ~b/out/none v\r\nmd ~b/run/meta Oz\r\nmd ~b/run/meta\r\n", b"EN\r\nHD Oz\r\nNF\r\n")


class UnseenTest(unittest.TestCase):
    def test_neither_jobs_nor_other_clients_see_the_keys_of_jobs_come_and_go(self):
        with harness.Server(reactors=3) as server, server.connect() as client:
            fill(client)
            readers = [self.enterContext(server.connect()) for _ in range(6)]
            self.assertEqual(client.set(b"~b/run/read", b"agg:count"), b"STORED")
            for round in range(60):
                for reader in readers:
                    reader.send(b"get ~b/run/read\r\n" * 5)
                options = " view=live" if round % 2 else ""
                line, _ = client.command(f"batch run agg:count name=seen wait=20000{options}")
                self.assertIn("state=done", line)
                self.assertEqual(client.command("batch get seen")[1], [("*", '{"count":%d}' % KEYS)])
                for reader in readers:
                    for _ in range(5):
                        self.assertEqual(reader.line(), b"VALUE ~b/run/read 0 9")
                        self.assertEqual((reader.line(), reader.line()), (b"agg:count", b"END"))


class BoundsTest(unittest.TestCase):
    def test_one_command_cannot_ask_for_more_than_memory_is_there_for(self):
        with harness.Server(reactors=1) as server, server.connect() as client:
            fill(client)
            client.set(b"large", b"x" * 1_000_000)
            client.set(b"~b/run/all", b"export\nprefix=large")
            page = harness.wait_for(lambda: client.get(b"~b/out/all"))
            self.assertGreater(len(page), 900_000)
            before = server.resident_bytes()
            for line in (b"get" + b" ~b/out/all" * 20, b"get ~b/run/all" + b" large" * 20, b"get ~b/none" + b" x" * 1000,
                         b"get" + b" ~b/out/all" * 100_000):
                self.assertTrue(client.ask(line).startswith("CLIENT_ERROR too much at once"), line[:40])
            client.send(b"get ~b/run/all" + b" large" * 10 + b"\r\n")
            self.assertEqual(client.line(), b"VALUE ~b/run/all 0 6")
            self.assertEqual(client.line(), b"export")
            for _ in range(10):
                self.assertEqual((client.line(), len(client.line())), (b"VALUE large 0 1000000", 1_000_000))
            self.assertEqual(client.line(), b"END")
            if not os.environ.get("SHARDMILL_SANITIZED"):
                self.assertLess(server.resident_bytes() - before, 100 << 20)


class PagesTest(unittest.TestCase):
    def test_rows_come_in_pages_that_fit_an_item(self):
        with harness.Server("-I", "16k", "-o", "slab_chunk_max=16") as server, server.connect() as client:
            fill(client)
            client.set(b"~b/run/all", b"by:key|agg:count,min($.n),max($.n)")
            harness.wait_for(lambda: client.get(b"~b/out/all"))
            rows, pages = [], 0
            while page := client.get(b"~b/out/all/%d" % len(rows)):
                self.assertLess(len(page), 16 << 10)
                rows += [json.loads(line) for line in page.splitlines()]
                pages += 1
            self.assertEqual((len(rows), len({row["key"] for row in rows})), (KEYS, KEYS))
            self.assertGreater(pages, 5)
            self.assertIsNone(client.get(b"~b/out/all/x"))


class PacketsTest(binary_test.BinaryCase):
    def test_they_are_answered_in_packets(self):
        with self.connect() as text:
            fill(text)
        self.assertEqual(self.ask(store(SET, b"~b/run/packet", b"agg:count")).status, 0)
        harness.wait_for(lambda: self.get(b"~b/out/packet"))
        self.assertEqual(self.get(b"~b/out/packet"), ALL)
        refused = self.ask(store(SET, b"~b/run/wrong", b"agg:"))
        self.assertEqual(refused.status, 4)
        self.assertIn(b"at character", refused.value)
        self.assertEqual(self.ask(store(SET, b"~b/run/wrong", b"a" * 70000)).status, 3)
        self.assertEqual(self.ask(packet(DELETE, b"~b/run/packet")).status, 0)
        self.assertEqual(self.ask(packet(GET, b"~b/stat/packet")).status, 1)


class OffTest(harness.ServerCase):
    SETTINGS = {"memory": 64, "extended": ("no_job_keys",)}

    def test_they_are_keys_like_any_other(self):
        client = self.connect()
        client.set(b"~b/run/x", b"1")
        self.assertEqual(client.ask("incr ~b/run/x 1"), "2")
        self.assertEqual(client.get(b"~b/run/x"), b"2")


if __name__ == "__main__":
    unittest.main()
