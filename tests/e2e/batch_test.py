"""Jobs and snapshots over the socket, and what of them is there after a restart."""

import collections
import json
import os
import re
import shutil
import struct
import tempfile
import time
import unittest

import harness

COLOURS = ("red", "green", "blue", "grün", None)


def records(count):
    for i in range(count):
        record = {"id": i, "amount": (i * 7919) % 1000 - 300, "text": f"the Item {i % 13} and grün-{i % 3} the end"}
        if COLOURS[i % 5]:
            record["colour"] = COLOURS[i % 5]
        yield b"order:%d" % i, record


def store(client, items):
    items = list(items)
    for start in range(0, len(items), 500):
        part = [(key, json.dumps(record, ensure_ascii=False).encode()) for key, record in items[start:start + 500]]
        client.send(b"".join(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value) for key, value in part))
        if client.exactly(8 * len(part)) != b"STORED\r\n" * len(part):
            raise AssertionError("not stored")


def run_job(test, client, pipeline, options=""):
    """Runs a job to its end; (status line, rows with their values as JSON)."""
    line, _ = client.command(f"batch run {pipeline} {options}".rstrip())
    test.assertRegex(line, r"^HD \S+ state=")
    job = line.split()[1]
    line, _ = client.command(f"batch wait {job} timeout=60000")
    test.assertIn(" state=done ", line)
    rows, start = [], 0
    while True:
        end, page = client.command(f"batch get {job} from={start}")
        rows += [(key, json.loads(value)) for key, value in page]
        test.assertRegex(end, "^EN (done|more=[0-9]+)$")
        if end == "EN done":
            return line, rows
        start = int(end.split("=")[1])


class JobsTest(harness.ServerCase):
    SETTINGS = {"memory": 256, "reactors": 2, "extended": ("workers=2",)}
    COUNT = 20_000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.items = dict(records(cls.COUNT))
        with cls.server.connect() as client:
            store(client, cls.items.items())
            store(client, [(b"other:%d" % i, {"amount": 1}) for i in range(1000)])

    def setUp(self):
        self.client = self.connect()

    def test_groups_are_counted_and_summed(self):
        line, rows = run_job(self, self.client, "by:$.colour|agg:count,sum($.amount),min($.amount),max($.amount)",
                             "prefix=order:")
        self.assertIn(f" matched={self.COUNT} ", line)
        groups = collections.defaultdict(list)
        for record in self.items.values():
            groups[record.get("colour")].append(record["amount"])
        # One row is the group of those without a colour; its key is the server's choice.
        self.assertEqual(len(rows), len(groups))
        found = {row["count"]: row for key, row in rows if key not in groups}
        for key, row in rows:
            amounts = groups[key] if key in groups else groups[None]
            self.assertEqual(row, {"count": len(amounts), "sum($.amount)": sum(amounts),
                                   "min($.amount)": min(amounts), "max($.amount)": max(amounts)}, key)
        self.assertEqual(len(found), 1)

    def test_where_filters_before_counting(self):
        _, rows = run_job(self, self.client, "where:$.amount>10|agg:count,avg($.amount)", "prefix=order:")
        amounts = [r["amount"] for r in self.items.values() if r["amount"] > 10]
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0][1]["count"], len(amounts))
        self.assertAlmostEqual(rows[0][1]["avg($.amount)"], sum(amounts) / len(amounts), places=6)

    def test_words_are_counted(self):
        _, rows = run_job(self, self.client, "wordcount:$.text", "prefix=order:")
        expected = collections.Counter()
        for record in self.items.values():
            expected.update(word.decode() for word in
                            re.findall(rb"[A-Za-z0-9\x80-\xff]+", record["text"].encode().lower()))
        found = {key: next(v for v in value.values()) for key, value in rows}
        self.assertEqual(found, dict(expected))
        self.assertEqual(len(rows), len(found))

    def test_the_largest_are_in_order(self):
        _, rows = run_job(self, self.client, "topk:25,$.amount", "prefix=order:")
        expected = sorted((r["amount"] for r in self.items.values()), reverse=True)[:25]
        self.assertEqual([next(iter(value.values())) for _, value in rows], expected)
        for key, value in rows:
            self.assertEqual(self.items[key.encode()]["amount"], next(iter(value.values())))

    def test_rows_come_in_pages(self):
        _, rows = run_job(self, self.client, "by:$.id|agg:count", "prefix=order: name=pages")
        self.assertEqual(len(rows), self.COUNT)
        self.assertEqual(len({key for key, _ in rows}), self.COUNT)
        end, page = self.client.command("batch get pages from=3 rows=2")
        self.assertEqual(end, "EN more=5")
        self.assertEqual([key for key, _ in page], [key for key, _ in rows[3:5]])
        end, page = self.client.command(f"batch get pages from={self.COUNT - 1} rows=10")
        self.assertEqual((end, len(page)), ("EN done", 1))

    def test_no_item_matches(self):
        _, rows = run_job(self, self.client, "by:$.colour|agg:count", "prefix=nothing:")
        self.assertEqual(rows, [])

    def test_a_pipeline_can_come_as_payload(self):
        text = b"where:$.colour = 'red' | agg:count"
        line, _ = self.client.command(f"batch run - payload={len(text)} prefix=order:", text)
        self.assertRegex(line, "^HD ")
        job = line.split()[1]
        self.client.command(f"batch wait {job} timeout=60000")
        _, rows = self.client.command(f"batch get {job}")
        self.assertEqual(json.loads(rows[0][1]), {"count": self.COUNT // 5})

    def test_wrong_commands_say_what_is_wrong(self):
        for line, pattern in (("batch run by:$.a|", "^CLIENT_ERROR .*character"),
                              ("batch run nosuchkernel:1", "^(CLIENT_ERROR .*character|NF)"),
                              ("batch run by:$.a|agg:frob($.x)", "^CLIENT_ERROR .*character"),
                              ("batch run", "^CLIENT_ERROR"), ("batch", "^CLIENT_ERROR"), ("batch frob", "^CLIENT_ERROR"),
                              ("batch run agg:count nonsense=1", "^CLIENT_ERROR"),
                              ("batch get nosuchjob", "^NF$"), ("batch stat nosuchjob", "^NF$"),
                              ("batch stop nosuchjob", "^NF$"), ("batch wait nosuchjob timeout=1", "^NF$"),
                              ("snapshot frob", "^CLIENT_ERROR")):
            self.assertRegex(self.client.command(line)[0], pattern, line)

    def test_requests_go_on_behind_a_batch_command_in_order(self):
        self.client.expect(self, b"set p 0 0 1\r\nx\r\nbatch stat nosuchjob\r\nget p\r\n",
                           b"STORED\r\nNF\r\nVALUE p 0 1\r\nx\r\nEND\r\n")

    def test_binary_packets_carry_every_verb(self):
        def packet(line, payload=b""):
            body = line.encode() + b"\r\n" + (payload + b"\r\n" if payload else b"")
            with self.server.connect() as client:
                client.send(struct.pack(">BBHBBHIIQ", 0x80, 0xb0, 0, 0, 0, 0, len(body), 7, 0) + body)
                head = struct.unpack(">BBHBBHIIQ", client.exactly(24))
                self.assertEqual((head[0], head[1], head[7]), (0x81, 0xb0, 7))
                return client.exactly(head[6]).decode()

        self.assertRegex(packet("batch plan agg:count name=packed"), r"^VA .*\r\n.*predicted_items.*\r\nEN done\r\n$")
        self.assertRegex(packet("batch run - payload=9 name=packed2 wait=60000", b"agg:count"), "^HD .* state=done ")
        for line, reply in (("batch stat packed2", "^HD "), ("batch wait packed2", "^HD "), ("batch get packed2", "^VA "),
                            ("batch stop packed2", "^HD "), ("batch list", "^VA "), ("batch kernels", "^VA "),
                            ("batch drop packed2", "^HD .*dropped"), ("batch get packed2", "^NF"),
                            ("batch run agg:count rate=x", "^CLIENT_ERROR ")):
            self.assertRegex(packet(line), reply, line)

    def test_a_rate_and_a_share_of_the_processor_hold_a_job_back(self):
        for options in ("rate=100k", "rate=10mb", "cpu=50", "view=live", "view=live rate=100k", "shards=0 cpu=20"):
            line, rows = run_job(self, self.client, "agg:count", options)
            self.assertEqual(rows[0][1]["count"], int(re.search(r"matched=(\d+)", line)[1]), options)

    def test_items_are_deleted_copied_and_touched(self):
        store(self.client, [(b"act:%d" % i, {"n": i}) for i in range(1000)])
        line, rows = run_job(self, self.client, "where:$.n<400|delete", "prefix=act: dry=1")
        size = sum(len(key) + len(json.dumps({"n": i})) for i in range(400) for key in [b"act:%d" % i])
        self.assertEqual(rows[0], ("delete", {"matched": 400, "acted": 0, "gone": 0, "changed": 0, "refused": 0, "bytes": size,
                                              "dry": 1}))
        self.assertEqual([key for key, _ in rows[1:]], sorted(f"act:{i}" for i in range(400))[:10])
        line, rows = run_job(self, self.client, "where:$.n<400|delete", "prefix=act:")
        self.assertEqual(rows, [("delete", {"matched": 400, "acted": 400, "gone": 0, "changed": 0, "refused": 0})])
        self.assertIsNone(self.client.get(b"act:399"))
        self.assertIsNotNone(self.client.get(b"act:400"))
        run_job(self, self.client, "copy:'copied:',1000", "prefix=act:")
        self.assertEqual(json.loads(self.client.get(b"copied:act:999")), {"n": 999})
        run_job(self, self.client, "touch:-1", "prefix=copied:")
        self.assertIsNone(self.client.get(b"copied:act:999"))

    def test_a_waiting_client_may_vanish(self):
        line, _ = self.client.command("batch run wordcount:$.text prefix=order:")
        job = line.split()[1]
        for _ in range(20):
            with self.server.connect() as client:
                client.send(f"batch wait {job} timeout=60000\r\n".encode())
        self.assertIn("state=done", self.client.command(f"batch wait {job} timeout=60000")[0])

    def test_a_client_may_vanish_in_the_middle_of_a_result(self):
        line, _ = run_job(self, self.client, "export", "prefix=order:")
        job = line.split()[1]
        for _ in range(20):
            with self.server.connect() as client:
                client.send(f"batch get {job} rows={self.COUNT} bytes=16000000\r\n".encode())
                client.exactly(100)
        end, rows = self.client.command(f"batch get {job} rows={self.COUNT} bytes=16000000")
        self.assertEqual((end, len(rows)), ("EN done", self.COUNT))

    def test_stats_batch_and_list_show_the_jobs(self):
        line, _ = run_job(self, self.client, "agg:count", "name=listed")
        job = line.split()[1]
        self.assertGreater(int(self.client.stats("batch")["batch_done"]), 0)
        listed = {key: json.loads(value) for key, value in self.client.command("batch list")[1]}
        self.assertEqual(listed[job]["name"], "listed")
        self.assertEqual(listed[job]["state"], "done")

    def test_kernels_are_listed(self):
        names = [key for key, _ in self.client.command("batch kernels")[1]]
        self.assertIn("wordcount", names)
        self.assertIn("topk", names)

    def test_counts_are_right_while_everything_is_overwritten(self):
        """Every item is visited exactly once, in the version of one moment, whatever happens meanwhile."""
        writer = self.connect()
        request = b"".join(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value) for key, value in
                           ((key, json.dumps(record, ensure_ascii=False).encode())
                            for key, record in list(self.items.items())[:2000]))
        for _ in range(20):
            writer.send(request)
            _, rows = run_job(self, self.client, "agg:count,sum($.amount)", "prefix=order:")
            self.assertEqual(rows[0][1], {"count": self.COUNT,
                                          "sum($.amount)": sum(r["amount"] for r in self.items.values())})
            self.assertEqual(writer.exactly(8 * 2000), b"STORED\r\n" * 2000)


class RestartTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="shardmill-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def server(self, *options, **settings):
        settings.setdefault("memory", 128)
        extended = (f"snapshot_dir={self.directory}", "no_snapshot_on_exit")
        return harness.Server(*options, extended=extended, **settings)

    def test_a_finished_jobs_result_is_there_after_a_restart(self):
        with self.server() as server, server.connect() as client:
            store(client, records(2000))
            _, before = run_job(self, client, "by:$.colour|agg:count,sum($.amount)", "prefix=order: name=kept")
        with self.server(reactors=1) as server, server.connect() as client:
            end, rows = client.command("batch get kept")
            self.assertEqual(end, "EN done")
            self.assertEqual([(key, json.loads(value)) for key, value in rows], before)
            self.assertIn("state=done", client.command("batch stat kept")[0])
            self.assertIn("kept", str(client.command("batch list")))
            self.assertRegex(client.command("batch drop kept")[0], "^HD")
        with self.server() as server, server.connect() as client:
            self.assertEqual(client.command("batch get kept")[0], "NF")

    def test_the_last_snapshot_is_loaded_at_start_by_any_number_of_reactors(self):
        with self.server(reactors=2) as server, server.connect() as client:
            store(client, records(5000))
            client.set(b"flags", b"f", flags=12345)
            client.set(b"ttl", b"t", exptime=5000)
            client.set(b"absolute", b"a", exptime=int(time.time()) + 3)
            client.set(b"binary", bytes(range(256)))
            client.expect(self, b"ms AAECAw== 2 b\r\nbk\r\n", b"HD\r\n")
            client.set(b"empty", b"")
            client.set(b"large", b"L" * 900_000)
            client.send(b"gets flags\r\n")
            unique = client.line().split()[4]
            client.exactly(len(b"f\r\nEND\r\n"))
            line, _ = client.command("snapshot save")
            self.assertRegex(line, r"^HD \S+ state=")
            self.assertIn(" items=5007 ", line)
            client.set(b"late", b"not in the snapshot")
            client.expect(self, b"delete order:1\r\n", b"DELETED\r\n")
            self.assertEqual(len(client.command("snapshot list")[1]), 1)
        for reactors in (1, 4):
            with self.subTest(reactors=reactors), self.server(reactors=reactors) as server:
                with server.connect() as client:
                    self.check_loaded(client, unique)

    def check_loaded(self, client, unique):
        for key, record in records(5000):
            self.assertEqual(json.loads(client.get(key)), record)
        client.send(b"gets flags\r\n")
        self.assertEqual(client.line(), b"VALUE flags 12345 1 " + unique)
        client.exactly(len(b"f\r\nEND\r\n"))
        self.assertRegex(client.ask("mg ttl t"), r"^HD t(5000|49\d\d)$")
        self.assertEqual(client.get(b"binary"), bytes(range(256)))
        client.expect(self, b"mg AAECAw== b v\r\n", b"VA 2\r\nbk\r\n")
        self.assertEqual(client.get(b"empty"), b"")
        self.assertEqual(client.get(b"large"), b"L" * 900_000)
        self.assertIsNone(client.get(b"late"))
        self.assertTrue(harness.wait_for(lambda: client.get(b"absolute") is None))
        _, rows = run_job(self, client, "agg:count", "prefix=order:")
        self.assertEqual(rows[0][1], {"count": 5000})

    def test_two_snapshots_are_kept_and_the_newest_is_loaded(self):
        with self.server() as server, server.connect() as client:
            for i in range(4):
                client.set(b"round", b"%d" % i)
                self.assertRegex(client.command("snapshot save")[0], "^HD")
            self.assertEqual(len(client.command("snapshot list")[1]), 2)
        self.assertEqual(len([n for n in os.listdir(self.directory) if n.startswith("snap-")]), 2)
        with self.server() as server, server.connect() as client:
            self.assertEqual(client.get(b"round"), b"3")

    def test_a_snapshot_while_everything_is_overwritten_is_of_one_moment(self):
        with self.server() as server, server.connect() as client, server.connect() as writer:
            store(client, records(5000))
            again = b"".join(b"set order:%d 0 0 3\r\nnew\r\n" % i for i in range(5000))
            writer.send(again)
            self.assertRegex(client.command("snapshot save")[0], "^HD .* items=5000 ")
            self.assertEqual(writer.exactly(8 * 5000), b"STORED\r\n" * 5000)
        with self.server() as server, server.connect() as client:
            for key, record in records(5000):
                value = client.get(key)
                self.assertTrue(value == b"new" or json.loads(value) == record, key)

    def test_a_damaged_snapshot_is_refused_at_start_unless_told_otherwise(self):
        with self.server() as server, server.connect() as client:
            store(client, records(1000))
            self.assertRegex(client.command("snapshot save")[0], "^HD")
        for folder, _, files in os.walk(self.directory):
            for name in files:
                if name.startswith("shard-") and os.path.getsize(os.path.join(folder, name)) > 200:
                    with open(os.path.join(folder, name), "r+b") as file:
                        file.seek(100)
                        byte = file.read(1)
                        file.seek(100)
                        file.write(bytes([byte[0] ^ 0x55]))
        done = harness.run(harness.program("SHARDMILL"), "-l", "127.0.0.1", "-p", str(harness.free_port()),
                           "-o", f"snapshot_dir={self.directory}", *harness.AS_ME, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.directory, done.stderr)
        with harness.Server(extended=(f"snapshot_dir={self.directory}", "snapshot_on_error=empty")) as server:
            self.assertIsNone(server.connect().get(b"order:1"))

    def test_without_a_directory_snapshots_are_refused_and_jobs_still_run(self):
        with harness.Server() as server, server.connect() as client:
            store(client, records(100))
            self.assertRegex(client.command("snapshot save")[0], "^(NS|SERVER_ERROR) ")
            _, rows = run_job(self, client, "agg:count")
            self.assertEqual(rows[0][1], {"count": 100})


if __name__ == "__main__":
    unittest.main()
