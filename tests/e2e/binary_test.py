"""The binary protocol: sessions of packets with the real server, batch jobs included."""

import json
import random
import struct
import unittest

import harness

HEADER = struct.Struct(">BBHBBHIIQ")
GET, SET, ADD, DELETE, INCREMENT, QUIT, FLUSH, NOOP, VERSION, GETKQ, STAT, SETQ = (
    0x00, 0x01, 0x02, 0x04, 0x05, 0x07, 0x08, 0x0A, 0x0B, 0x0D, 0x10, 0x11)
TOUCH, GATKQ, LINE = 0x1C, 0x24, 0xB0


def packet(opcode, key=b"", value=b"", extras=b"", cas=0, opaque=0, magic=0x80):
    body = extras + key + value
    return HEADER.pack(magic, opcode, len(key), len(extras), 0, 0, len(body), opaque, cas) + body


def store(opcode, key, value, flags=0, exptime=0, cas=0, opaque=0):
    return packet(opcode, key, value, struct.pack(">II", flags, exptime), cas, opaque)


class Reply:
    def __init__(self, client):
        (self.magic, self.opcode, key_bytes, extras_bytes, _, self.status, body_bytes, self.opaque,
         self.cas) = HEADER.unpack(client.exactly(HEADER.size))
        body = client.exactly(body_bytes)
        self.extras, body = body[:extras_bytes], body[extras_bytes:]
        self.key, self.value = body[:key_bytes], body[key_bytes:]


class BinaryCase(harness.ServerCase):
    def setUp(self):
        self.client = self.connect()

    def ask(self, request, client=None):
        client = client or self.client
        client.send(request)
        reply = Reply(client)
        self.assertEqual(reply.magic, 0x81)
        self.assertEqual(reply.opcode, request[1])
        return reply

    def get(self, key):
        reply = self.ask(packet(GET, key))
        return None if reply.status == 1 else reply.value


class BinaryTest(BinaryCase):
    def test_values_flags_and_cas_come_back(self):
        stored = self.ask(store(SET, b"k\0\r\n", b"value\0\r\n", flags=0xDEADBEEF))
        self.assertEqual(stored.status, 0)
        reply = self.ask(packet(GET, b"k\0\r\n", opaque=7))
        self.assertEqual((reply.extras, reply.value), (struct.pack(">I", 0xDEADBEEF), b"value\0\r\n"))
        self.assertEqual((reply.cas, reply.opaque), (stored.cas, 7))
        self.assertEqual(self.ask(store(SET, b"k\0\r\n", b"x", cas=stored.cas + 1)).status, 2)
        self.assertEqual(self.ask(store(SET, b"k\0\r\n", b"x", cas=stored.cas)).status, 0)

    def test_both_protocols_see_the_same_items(self):
        text = self.connect()
        self.ask(store(SET, b"shared", b"from packets", flags=5))
        text.expect(self, b"get shared\r\n", b"VALUE shared 5 12\r\nfrom packets\r\nEND\r\n")
        text.set(b"shared", b"41")
        reply = self.ask(packet(INCREMENT, b"shared", extras=struct.pack(">QQI", 1, 0, 0)))
        self.assertEqual(struct.unpack(">Q", reply.value), (42,))
        self.assertEqual(text.get(b"shared"), b"42")

    def test_a_deep_pipeline_of_quiet_gets_answers_hits_only_and_in_order(self):
        count = 5000
        self.client.send(b"".join(store(SETQ, b"q%d" % i, b"%d" % i) for i in range(0, count, 2)) + packet(NOOP))
        self.assertEqual(Reply(self.client).opcode, NOOP)
        self.client.send(b"".join(packet(GETKQ, b"q%d" % i, opaque=i) for i in range(count)) + packet(NOOP))
        for i in range(0, count, 2):
            reply = Reply(self.client)
            self.assertEqual((reply.key, reply.value, reply.opaque), (b"q%d" % i, b"%d" % i, i))
        self.assertEqual(Reply(self.client).opcode, NOOP)

    def test_statistics_are_packets_up_to_an_empty_one(self):
        self.client.send(packet(STAT))
        values = {}
        while (line := Reply(self.client)).key:
            values[line.key.decode()] = line.value.decode()
        self.assertEqual(int(values["pid"]), self.server.pid)
        self.assertEqual(values["version"], "1.6.45")
        self.assertEqual(self.ask(packet(STAT, b"nonsense")).status, 1)

    def test_quit_closes(self):
        self.client.send(packet(QUIT) + packet(VERSION))
        self.assertEqual(Reply(self.client).opcode, QUIT)
        self.assertEqual(self.client.rest(), b"")

    def test_nonsense_is_answered_or_closed_and_the_server_goes_on(self):
        source = random.Random(20240608)
        opcodes = [GET, SET, ADD, INCREMENT, STAT, TOUCH, GATKQ, LINE, 0x20, 0x21, 0x60, 0xFF]
        for _ in range(300):
            with self.server.connect() as client:
                data = bytearray()
                for _ in range(source.randrange(1, 5)):
                    data += packet(source.choice(opcodes), b"k" * source.choice((0, 1, 250, 251)),
                                   source.randbytes(source.randrange(0, 50)),
                                   bytes(source.choice((0, 4, 8, 20))))
                for _ in range(source.randrange(0, 3)):
                    data[source.randrange(1, len(data))] = source.randrange(256)
                client.send(bytes(data))
        self.assertEqual(self.ask(packet(VERSION)).value, b"1.6.45")


class BinaryLargeValuesTest(BinaryCase):
    SETTINGS = {"memory": 256}
    OPTIONS = ("-I", "16m")

    def test_values_of_every_size_come_back_unchanged(self):
        pattern = bytes(range(256)) * 65536
        for size in (0, 1, 16383, 16384, 32768, 65536, 1 << 20, 5_000_000, 16_000_000):
            self.assertEqual(self.ask(store(SET, b"large", pattern[:size])).status, 0, size)
            self.assertTrue(self.get(b"large") == pattern[:size], size)

    def test_too_large_a_value_is_refused_and_the_old_one_is_gone(self):
        self.ask(store(SET, b"big", b"old"))
        self.assertEqual(self.ask(store(ADD, b"big", b"x" * (17 << 20))).status, 3)
        self.assertEqual(self.get(b"big"), b"old")
        self.assertEqual(self.ask(store(SET, b"big", b"x" * (17 << 20))).status, 3)
        self.assertIsNone(self.get(b"big"))


class BinaryLineTest(BinaryCase):
    def line(self, text):
        reply = self.ask(packet(LINE, value=text, opaque=99))
        self.assertEqual((reply.status, reply.opaque), (0, 99))
        return reply.value.decode()

    def test_a_job_runs_over_packets_alone(self):
        self.client.send(b"".join(
            store(SETQ, b"order:%d" % i, json.dumps({"country": "DE" if i % 3 else "FR"}).encode())
            for i in range(300)))
        self.assertIn("state=done", self.line(b"batch run by:$.country|agg:count prefix=order: name=by wait=60000"))
        self.assertIn("matched=300", self.line(b"batch stat by\r\n"))
        rows = self.line(b"batch get by")
        self.assertIn('kDE\r\n{"count":200}\r\n', rows)
        self.assertIn('kFR\r\n{"count":100}\r\n', rows)
        self.assertTrue(rows.endswith("EN done\r\n"), rows)

    def test_a_pipeline_may_come_as_payload(self):
        self.assertIn("state=done", self.line(b"batch run - payload=9 wait=60000\r\nagg:count\r\n"))

    def test_what_is_wrong_is_said_in_text(self):
        self.assertEqual(self.ask(packet(LINE, value=b"get a\r\n")).status, 0x81)
        self.assertTrue(self.line(b"batch nonsense").startswith("CLIENT_ERROR"))
        self.assertEqual(self.line(b"batch stat nothing"), "NF\r\n")


class BinaryOnlyTest(BinaryCase):
    OPTIONS = ("-B", "binary", "-F")

    def test_text_is_closed_without_an_answer(self):
        text = self.connect()
        text.send(b"version\r\n")
        self.assertEqual(text.rest(), b"")

    def test_a_forbidden_flush_is_an_authentication_error(self):
        reply = self.ask(packet(FLUSH))
        self.assertEqual((reply.status, reply.value), (0x20, b"Auth failure."))


class TextOnlyTest(harness.ServerCase):
    OPTIONS = ("-B", "ascii")

    def test_packets_are_unknown_commands(self):
        client = self.connect()
        client.send(b"\x80 noop\r\n")
        self.assertEqual(client.line(), b"ERROR")


if __name__ == "__main__":
    unittest.main()
