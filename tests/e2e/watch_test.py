"""watch over sockets: lines in order, slow and vanishing watchers, limits."""

import re
import shutil
import socket
import subprocess
import unittest

import harness

STAMP = re.compile(rb"ts=(\d+)\.(\d{1,6}) gid=(\d+) (.*)")


class Watcher:
    def __init__(self, test, server, streams):
        self.connection = server.connect() if isinstance(server, harness.Server) else harness.Connection(server)
        test.addCleanup(self.connection.close)
        self.connection.send(b"watch " + streams + b"\r\n")
        test.assertEqual(self.connection.line(), b"OK")

    def until(self, last):
        """Lines up to the one that contains `last`: (gid, text)."""
        lines = []
        while True:
            while b"\n" not in self.connection.buffer:
                self.connection.fill()
            line, _, self.connection.buffer = self.connection.buffer.partition(b"\n")
            match = STAMP.fullmatch(line)
            lines.append((int(match[3]), match[4]) if match else (0, line))
            if last in line:
                return lines


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def anonymous(line):
    """Descriptors and ports differ from server to server."""
    return re.sub(rb"(cfd|rport)=\d+", rb"\1=", line)


CONVERSATION = [
    b"get a\r\n", b"set a 0 0 3\r\nabc\r\n", b"set a 5 100 4\r\nabcd\r\n", b"get a b\r\n", b"add a 0 0 1\r\nx\r\n",
    b"add b 0 0 1\r\nx\r\n", b"replace a 0 0 2\r\nzz\r\n", b"replace zz 0 0 2\r\nzz\r\n", b"append a 0 0 2\r\nyy\r\n",
    b"append nope 0 0 2\r\nyy\r\n", b"prepend a 0 0 2\r\nyy\r\n", b"gets a\r\n", b"cas a 0 0 2 1\r\nqq\r\n",
    b"cas nope 0 0 2 1\r\nqq\r\n", b"delete a\r\n", b"delete a\r\n", b"incr b 1\r\n", b"set n 0 0 2\r\n99\r\n",
    b"incr n 1\r\n", b"decr n 1\r\n", b"incr none 1\r\n", b"touch n 100\r\n", b"gat 100 n\r\n", b"touch zz 1\r\n",
    b"mg n v\r\n", b"mg nope v\r\n", b"mg viv N30 v\r\n", b"ms m 2\r\nhi\r\n", b"ms m 2 ME\r\nhi\r\n",
    b"ms m 2 MA\r\nhi\r\n", b"ms m 2 MR\r\nhi\r\n", b"ms m 2 C1\r\nhi\r\n",
    b"ms notthere 2 C1\r\nhi\r\n", b"ms m 2 C1 MA\r\nhi\r\n", b"ma n\r\n", b"ma nn N0\r\n", b"ma nnn\r\n",
    b"me n\r\n", b"md m I\r\n", b"md m\r\n", b"md m\r\n", b"ms YWI= 2 b\r\nhi\r\n", b"mg YWI= b v\r\n",
    b"set a%/ 0 0 1\r\nx\r\n", b"set bad 0 0 1\r\nxyz\r\n", b"verbosity 0\r\n", b"version\r\n",
]


def play(test, address, streams):
    """The lines that the conversation causes at a server, without what differs by nature."""
    watcher = Watcher(test, address, streams)
    with harness.Connection(address) as client:
        for command in CONVERSATION:
            client.send(command + b"mn\r\n")
            while client.line() != b"MN":
                pass
        own = b" rport=%d " % client.socket.getsockname()[1]
    lines = [text for _, text in watcher.until(b"type=conn_close rip=127.0.0.1" + own)]
    # Other connections than this one come and go, too.
    return [anonymous(text) for text in lines if not text.startswith(b"type=conn_") or own in text]


class WatchTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(harness.Server(reactors=2, memory=64))
        self.client = self.server.connect()
        self.addCleanup(self.client.close)

    def wait_for_watchers(self, count):
        self.assertTrue(harness.wait_for(lambda: self.client.stats()["log_watchers"] == str(count)))

    def test_lines_are_those_of_memcached(self):
        # The deletions' stream is younger than Debian's memcached.
        streams = b"fetchers mutations connevents rawcmds proxyreqs"
        mine = play(self, self.server.address, streams)
        self.assertIn(b"type=conn_new rip=127.0.0.1 rport= transport=tcp cfd=", mine)
        self.assertIn(b"type=item_store key=a status=stored cmd=prepend ttl=0 clsid=1 cfd= size=6", mine)
        memcached = shutil.which("memcached")
        self.assertTrue(memcached, "Debian's memcached is needed to compare with")
        port = harness.free_port()
        peer = subprocess.Popen([memcached, "-l", "127.0.0.1", "-p", str(port), *harness.AS_ME])
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        self.assertTrue(harness.wait_for(lambda: answers(port)))
        theirs = play(self, ("127.0.0.1", port), streams)
        self.assertEqual(mine, theirs)

    def test_every_reactors_connections_are_seen_once_ok_is_read(self):
        for _ in range(20):
            watcher = Watcher(self, self.server, b"mutations")
            others = [self.server.connect() for _ in range(4)]
            for n, other in enumerate(others):
                other.set(b"key%d" % n, b"x")
            seen = []
            while len(seen) < len(others):
                seen += watcher.until(b"item_store")
            self.assertEqual(len({gid for gid, _ in seen}), len(others))
            for other in others:
                other.close()
            watcher.connection.close()
        self.wait_for_watchers(0)

    def test_numbers_rise_on_every_reactor(self):
        watcher = Watcher(self, self.server, b"fetchers")
        self.client.send(b"".join(b"get k%d\r\n" % n for n in range(500)) + b"get last\r\n")
        lines = []  # a turn's requests are executed shard by shard
        while len(lines) < 501:
            lines += watcher.until(b"key=")
        self.assertEqual(len({text for _, text in lines}), 501)
        gids = [gid for gid, _ in lines]
        self.assertEqual(gids, sorted(set(gids)))

    def test_a_watcher_that_does_not_read_is_told_and_holds_up_nobody(self):
        watcher = Watcher(self, self.server, b"fetchers")
        before = self.server.resident_bytes()
        keys = b" ".join(b"%0200d" % n for n in range(100))
        for _ in range(1000):
            self.client.send(b"get " + keys + b"\r\n")
            self.assertEqual(self.client.line(), b"END")
        self.assertGreater(self.skipped(), 0)
        self.assertLess(self.server.resident_bytes() - before, 8 << 20)
        # It reads on until there is room for lines again; the first of those is told the number.
        while True:
            skipped = self.skipped()
            self.client.send(b"get the-end\r\n")
            self.assertEqual(self.client.line(), b"END")
            if self.skipped() == skipped:
                break
            watcher.connection.fill()
        told = [re.fullmatch(rb"skipped=(\d+)", text) for _, text in watcher.until(b"the-end")]
        self.assertEqual(sum(int(match[1]) for match in told if match), skipped)
        stats = self.client.stats()
        self.assertEqual(int(stats["log_watcher_sent"]) + skipped, int(stats["log_worker_written"]))

    def skipped(self):
        return int(self.client.stats()["log_watcher_skipped"])

    def test_watchers_are_limited_and_leave(self):
        watchers = [Watcher(self, self.server, b"evictions") for _ in range(20)]
        with self.server.connect() as late:
            self.assertEqual(late.ask("watch"), "WATCHER_TOO_MANY log watcher limit reached")
            watchers.pop().connection.close()
            self.wait_for_watchers(19)
            self.assertEqual(late.ask("watch"), "OK")
        self.wait_for_watchers(19)
        for watcher in watchers[:10]:
            watcher.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            watcher.connection.close()
        self.wait_for_watchers(9)
        for watcher in watchers[10:]:
            watcher.connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(watcher.connection.rest(), b"")
        self.wait_for_watchers(0)

    def test_nothing_behind_watch_is_read(self):
        with self.server.connect() as connection:
            connection.send(b"watch deletions\r\nset a 0 0 1\r\nx\r\n" + b"z" * 1_000_000)
            self.assertEqual(connection.line(), b"OK")
            self.assertIsNone(self.client.get(b"a"))

    def test_evictions_are_seen(self):
        watcher = Watcher(self, self.server, b"evictions")
        value = b"v" * 1000
        for start in range(0, 100_000, 1000):
            self.client.send(b"".join(b"set key%d 0 0 1000 noreply\r\n%s\r\n" % (n, value)
                                      for n in range(start, start + 1000)))
        self.client.send(b"mn\r\n")
        self.assertEqual(self.client.line(), b"MN")
        self.assertGreater(int(self.client.stats()["evictions"]), 0)
        (_, text), = watcher.until(b"type=eviction")
        self.assertRegex(text, rb"type=eviction key=key\d+ fetch=no ttl=-1 la=\d+ clsid=1 size=1000")

    def test_crawls_are_seen(self):
        watcher = Watcher(self, self.server, b"sysevents")
        self.client.set(b"a", b"x")
        self.assertEqual(self.client.ask("lru_crawler crawl all"), "OK")
        (_, text), = watcher.until(b"type=lru_crawler")
        self.assertRegex(text, rb"type=lru_crawler crawler=1 lru=cold low_mark=0 next_reclaims=0 since_run=0 "
                               rb"next_run=0 elapsed=\d+ examined=1 reclaimed=0")


class NoWatchTest(harness.ServerCase):
    OPTIONS = ("-W",)

    def test_watching_is_refused(self):
        self.connect().expect(self, b"watch\r\n", b"CLIENT_ERROR watch commands not allowed\r\n")


if __name__ == "__main__":
    unittest.main()
