"""lru_crawler metadump, mgdump and crawl over sockets: point in time, slow and vanishing readers."""

import re
import socket
import threading
import time
import unittest
import urllib.parse

import harness

ITEMS = 200_000
FEWER_ITEMS = 40_000
LINE = re.compile(rb"key=(\S+) exp=(-1|\d+) la=(\d+) cas=(\d+) fetch=(yes|no) cls=1 size=(\d+) flags=(\d+) ")


def value_of(number):
    return b"v" * (number % 50)


def fill(client, count):
    for start in range(0, count, 2000):
        client.send(b"".join(
            b"set key/%d %d %d %d noreply\r\n%s\r\n"
            % (n, n % 3, 0 if n % 2 else 5000, len(value_of(n)), value_of(n))
            for n in range(start, start + 2000)))
    client.expect_noop()


class Client(harness.Connection):
    def expect_noop(self):
        self.send(b"mn\r\n")
        line = self.line()
        assert line == b"MN", line

    def lines(self, last):
        """Lines without their ends, up to one that is `last`, which is left out."""
        data = self.buffer
        while True:
            *whole, data = data.split(b"\n")
            for line in whole:
                if line + b"\n" == last:
                    self.buffer = data
                    return
                yield line
            received = self.socket.recv(1 << 18)
            if not received:
                raise EOFError("closed in the middle of a dump")
            data += received

    def dump(self, command):
        """The lines of a dump, the first and the last included, without their ends."""
        self.send(command + b"\r\n")
        lines = []
        reader = self.socket.makefile("rb")
        while True:
            line = reader.readline()
            if not line:
                raise EOFError("closed in the middle of a dump")
            lines.append(line)
            if line in (b"END\r\n", b"EN\r\n") or not line.startswith((b"OK", b"key=", b"mg ")):
                return lines


class DumpTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(harness.Server(reactors=2, memory=256))

    def connect(self):
        client = Client(self.server.address)
        self.addCleanup(client.close)
        return client

    def test_metadump_shows_one_moment_while_others_write(self):
        client = self.connect()
        began = int(time.time())
        fill(client, ITEMS)
        stop = threading.Event()

        def write():
            with Client(self.server.address) as writer:
                n = 0
                while not stop.is_set():
                    writer.send(b"".join(
                        b"set key/%d 9 0 4 noreply\r\nelse\r\ndelete key/%d noreply\r\nset new/%d 0 0 1 noreply\r\nx\r\n"
                        % (k * 7 % ITEMS, k * 11 % ITEMS, k) for k in range(n, n + 50)))
                    writer.expect_noop()
                    n += 50

        writer = threading.Thread(target=write)
        client.send(b"lru_crawler metadump all\r\n")
        # OK comes when the moment has been fixed.
        self.assertEqual(client.line(), b"OK")
        seen = set()
        writer.start()
        try:
            for line in client.lines(b"END\r\n"):
                match = LINE.fullmatch(line)
                self.assertTrue(match, line)
                key = urllib.parse.unquote_to_bytes(match[1])
                self.assertNotIn(key, seen)
                seen.add(key)
                n = int(key.removeprefix(b"key/"))
                self.assertEqual(int(match[6]), 59 + len(key) + n % 50 + (4 if n % 3 else 0), line)
                self.assertEqual(match[2] == b"-1", n % 2 == 1, line)
                self.assertEqual(int(match[7]), n % 3, line)
                self.assertIn(int(match[3]), range(began, int(time.time()) + 1), line)
        finally:
            stop.set()
            writer.join()
        self.assertEqual(seen, {b"key/%d" % n for n in range(ITEMS)})
        client.expect_noop()

    def test_dumps_are_complete_and_exact_when_nobody_writes(self):
        client = self.connect()
        fill(client, ITEMS)
        time_read = int(time.time())
        client.get(b"key/7")
        lines = client.dump(b"lru_crawler metadump all")
        self.assertEqual(lines[0], b"OK\r\n")
        self.assertEqual(lines[-1], b"END\r\n")
        matches = [LINE.fullmatch(line[:-1]) for line in lines[1:-1]]
        self.assertTrue(all(matches))
        keys = {urllib.parse.unquote_to_bytes(match[1]): match for match in matches}
        self.assertEqual(len(keys), len(matches))
        self.assertEqual(keys.keys(), {b"key/%d" % n for n in range(ITEMS)})
        self.assertEqual(keys[b"key/7"][5], b"yes")
        self.assertIn(int(keys[b"key/7"][3]), range(time_read, int(time.time()) + 1))
        self.assertEqual(sum(match[5] == b"yes" for match in matches), 1)
        client.send(b"me key/8 v\r\n")
        shown = client.line()
        self.assertIn(b"cas=" + keys[b"key/8"][4] + b" ", shown)
        self.assertIn(b"size=" + keys[b"key/8"][6], shown)
        names = client.dump(b"lru_crawler mgdump hash")
        self.assertEqual(set(names[1:-1]), {b"mg key/%d\r\n" % n for n in range(ITEMS)})
        self.assertEqual(names[-1], b"EN\r\n")
        stats = client.stats()
        self.assertEqual(stats["lru_crawler_starts"], "2")
        self.assertEqual(stats["lru_crawler_running"], "0")
        self.assertEqual(stats["crawler_items_checked"], str(2 * ITEMS))

    def test_a_reader_that_stops_holds_up_nobody_and_costs_little(self):
        client = self.connect()
        fill(client, ITEMS)
        before = self.server.resident_bytes()
        # More than the kernel holds for a connection, so that the dump has to wait for its reader.
        slow = self.connect()
        slow.send(b"lru_crawler metadump all\r\n")
        self.assertEqual(slow.line(), b"OK")
        self.assertEqual(client.ask("lru_crawler mgdump all"), "BUSY currently processing crawler request")
        for n in range(1000):
            client.set(b"other/%d" % n, b"x")
        self.assertEqual(client.stats()["lru_crawler_running"], "1")
        # Jobs have the workers to themselves meanwhile.
        reply, rows = client.command("batch run agg:count prefix=other/ wait=60000")
        self.assertIn("state=done", reply)
        self.assertLess(self.server.resident_bytes() - before, 12 << 20)
        # It goes on when it is read.
        count = 0
        data = slow.buffer
        while not data.endswith(b"END\r\n"):
            chunk = slow.socket.recv(1 << 16)
            self.assertTrue(chunk)
            count += chunk.count(b"key=")
            data = data[-16:] + chunk
        self.assertGreater(count, ITEMS * 9 // 10)
        slow.buffer = b""
        slow.expect_noop()

    def test_readers_that_vanish_end_their_dumps(self):
        client = self.connect()
        fill(client, FEWER_ITEMS)
        for _ in range(5):
            gone = self.connect()
            gone.send(b"lru_crawler metadump all\r\n")
            self.assertEqual(gone.line(), b"OK")
            gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.close()
            self.assertTrue(harness.wait_for(lambda: client.stats()["lru_crawler_running"] == "0"))
        self.assertEqual(client.stats()["pinned_bytes"], "0")
        self.assertEqual(len(client.dump(b"lru_crawler mgdump all")), FEWER_ITEMS + 2)

    def test_a_half_closed_reader_gets_everything(self):
        client = self.connect()
        fill(client, 10_000)
        piped = self.connect()
        piped.send(b"lru_crawler metadump all\r\n")
        piped.socket.shutdown(socket.SHUT_WR)
        data = piped.rest()
        self.assertEqual(data.count(b"key="), 10_000)
        self.assertTrue(data.endswith(b"END\r\n"))

    def test_commands_around_a_dump(self):
        client = self.connect()
        client.set(b"k", b"v")
        client.expect(self, b"version\r\nlru_crawler metadump all\r\n",
                      b"VERSION 1.6.45\r\nERROR cannot pipeline other commands before metadump\r\n")
        client.expect(self, b"mn\r\nlru_crawler mgdump all\r\n",
                      b"MN\r\nERROR cannot pipeline other commands before mgdump\r\n")
        client.expect(self, b"lru_crawler mgdump all\r\nversion\r\n",
                      b"OK\r\nmg k\r\nEN\r\nVERSION 1.6.45\r\n")
        client.expect(self, b"lru_crawler disable\r\n", b"OK\r\n")
        client.expect(self, b"lru_crawler metadump all\r\n", b"CLIENT_ERROR lru crawler disabled\r\n")

    def test_crawl_reclaims_what_has_expired(self):
        client = self.connect()
        for n in range(1000):
            client.send(b"set k%d 0 %d 1 noreply\r\nx\r\n" % (n, 1 if n % 2 else 0))
        client.expect_noop()
        self.assertTrue(harness.wait_for(lambda: client.get(b"k999") is None))
        self.assertEqual(client.ask("lru_crawler crawl all"), "OK")
        self.assertTrue(harness.wait_for(lambda: client.stats()["lru_crawler_running"] == "0"))
        self.assertEqual(client.stats()["curr_items"], "500")


class NoDumpTest(harness.ServerCase):
    OPTIONS = ("-X",)

    def test_dumps_are_refused(self):
        client = self.connect()
        client.expect(self, b"lru_crawler metadump all\r\n", b"ERROR metadump not allowed\r\n")
        client.expect(self, b"lru_crawler mgdump all\r\n", b"ERROR key dump not allowed\r\n")
        client.expect(self, b"lru_crawler crawl all\r\n", b"OK\r\n")


if __name__ == "__main__":
    unittest.main()
