"""stats and its sub-commands from outside, and beside memcached: the same names in the same order, the same counts.

Debian's memcached is asked, and the one that PEER_MEMCACHED names, if it does."""

import os
import shutil
import subprocess
import threading
import unittest

import harness

# The first names that only this server has, by report.
OWN = {"": "shardmill_version", "settings": "shards"}

# What another version of memcached reports that the table of names in 1.6.45 does not have, and the other way round.
DIFFERENCES = {
    "1.6.18": {
        "only there": {"slab_reassign_evictions_nomem"},
        "only here": {"slab_reassign_busy_nomem", "slab_reassign_last_busy_status", "client_flags_size"},
    },
    "1.6.45": {"only there": set(), "only here": set()},
}

# What prometheus-memcached-exporter 0.15 asks for.
EXPORTER_NEEDS = """version uptime pid time rusage_user rusage_system curr_connections total_connections max_connections
    rejected_connections connection_structures listen_disabled_num accepting_conns threads conn_yields limit_maxbytes bytes
    curr_items total_items bytes_read bytes_written evictions reclaimed cmd_get cmd_set cmd_touch cmd_flush get_hits get_misses
    delete_hits delete_misses incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval touch_hits touch_misses
    get_expired get_flushed store_too_large store_no_memory hash_power_level hash_bytes hash_is_expanding slab_global_page_pool
    direct_reclaims lru_crawler_running lru_crawler_starts log_worker_dropped log_worker_written log_watcher_skipped
    log_watcher_sent expired_unfetched evicted_unfetched evicted_active crawler_reclaimed crawler_items_checked
    lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru lru_bumps_dropped malloc_fails""".split()


def version_of(path):
    return subprocess.run([path, "-V"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]


class Memcached(harness.Server):
    def __init__(self, path, *options):
        super().__init__(*options)
        self.command[0] = path


def peers():
    """The memcacheds that there are to compare with, by version."""
    paths = [shutil.which("memcached"), os.environ.get("PEER_MEMCACHED")]
    found = {version_of(path): path for path in paths if path}
    if not found:
        raise AssertionError("memcached is not installed (apt: memcached), and PEER_MEMCACHED names none")
    return found


def names(connection, report):
    """The names in a report, without our own."""
    reported = list(connection.stats(report))
    return reported[: reported.index(OWN[report])] if OWN.get(report) in reported else reported


class NamesTest(unittest.TestCase):
    """Names and their order are those of memcached; what a version has differently is listed above."""

    def compare(self, *options):
        self.assertTrue(peers())
        for version, path in peers().items():
            self.assertIn(version, DIFFERENCES, f"nothing is known of memcached {version}")
            differences = DIFFERENCES[version]
            with harness.Server(*options) as server, Memcached(path, *options) as peer:
                with server.connect() as ours, peer.connect() as theirs:
                    for connection in (ours, theirs):
                        connection.set(b"a", b"x")
                    for report in ("", "settings", "items", "slabs", "extstore"):
                        there = [name for name in names(theirs, report) if name not in differences["only there"]]
                        here = [name for name in names(ours, report) if name not in differences["only here"]]
                        self.assertEqual(here, there, f"stats {report} of {version}")

    def test_by_default(self):
        self.compare()

    def test_without_crawler_and_maintainer(self):
        self.compare("-o", "no_lru_crawler,no_lru_maintainer")

    def test_with_everything_switched_the_other_way(self):
        self.compare("-o", "no_slab_reassign,no_maxconns_fast,idle_timeout=600,temporary_ttl=30,track_sizes")


# What both servers are asked, in this order.
REQUESTS = [
    b"get a", b"set a 0 0 1\r\nx", b"get a", b"get a a b", b"gets a", b"add a 0 0 1\r\ny", b"add b 0 0 1\r\ny",
    b"replace nn 0 0 1\r\ny", b"replace a 0 0 1\r\ny", b"append a 0 0 1\r\ny", b"append nn 0 0 1\r\ny", b"prepend a 0 0 1\r\ny",
    b"cas a 0 0 1 99999999999\r\nz", b"cas nn 0 0 1 9\r\nz", b"cas a 0 0 1 x\r\nz", b"cas a 0 0 1 0\r\nz", b"set a 0 0 1\r\nx",
    b"set a 0 0 2000000\r\n" + b"x" * 2000000, b"get a", b"delete a", b"delete b", b"delete b", b"set n 0 0 1\r\n1",
    b"incr n 1", b"incr n 100", b"decr n 1", b"decr n 1000", b"incr q 1", b"decr q 1", b"incr n x", b"set s 0 0 1\r\nx", b"incr s 1",
    b"touch n 100", b"touch q 100", b"gat 100 n", b"gat 100 q", b"gats 100 n q n", b"flush_all 1000", b"flush_all x", b"verbosity 0",
    b"version", b"mg n v", b"mg q v", b"mg n T30", b"mg q T30", b"mg viv N30 v", b"mg viv N30 v", b"ms m 1\r\nx",
    b"ms m 1 ME\r\nx", b"ms m 1 MA\r\nx", b"ms nn 1 MA\r\nx", b"ms nn2 1 MR\r\nx", b"ms m 1 C99\r\nx", b"ms nnn 1 C99\r\nx", b"md m I",
    b"mg m", b"md m", b"md m", b"set n 0 0 1\r\n1", b"ma n", b"ma n MD", b"ma qq", b"ma qq N30", b"ma n C99", b"me n", b"me q",
    b"set e 0 -1 1\r\nx", b"get e", b"set e 0 -1 1\r\nx", b"set e 0 0 1\r\nx", b"set e 0 -1 1\r\nx", b"touch e 1",
    b"gets n", b"incr n 1", b"stats foo", b"nonsense", b"get " + b"x" * 251,
]  # fmt: skip

COMPARED = (
    "cmd_", "get_", "delete_", "incr_", "decr_", "cas_", "touch_", "store_", "curr_items", "total_items", "auth_", "evict",
)  # fmt: skip


class CountsTest(unittest.TestCase):
    """Every request moves the counters that it moves in memcached, by as much."""

    def moves(self, server):
        """By request, which counters moved and how far."""
        moved = []
        with server.connect() as connection, server.connect() as control:
            before = control.stats()
            for request in REQUESTS:
                connection.send(request + b"\r\nmn\r\n")
                while connection.line() != b"MN":
                    pass
                after = control.stats()
                moved.append({
                    name: int(after[name]) - int(before[name])
                    for name in after if name.startswith(COMPARED) and after[name] != before[name]
                })  # fmt: skip
                before = after
        return moved

    def test_every_request_counts_as_in_memcached(self):
        options = ("-o", "no_lru_crawler,no_lru_maintainer")  # they would take expired items before we see them
        with harness.Server(*options) as server:
            ours = self.moves(server)
        for version, path in peers().items():
            with Memcached(path, *options) as peer:
                theirs = self.moves(peer)
            for request, here, there in zip(REQUESTS, ours, theirs):
                self.assertEqual(here, there, f"{request[:60]} in {version}")


class ReportsTest(harness.ServerCase):
    OPTIONS = ("-D", "/")
    SETTINGS = {"reactors": 4, "extended": ("track_sizes",)}

    def test_an_exporter_finds_what_it_asks_for(self):
        connection = self.connect()
        connection.set(b"exported", b"x" * 100)
        stats = connection.stats()
        for name in EXPORTER_NEEDS:
            self.assertIn(name, stats)
        for name in ("curr_connections", "max_connections", "threads", "pointer_size"):
            self.assertGreater(int(stats[name]), 0, name)
        self.assertGreater(float(stats["rusage_user"]) + float(stats["rusage_system"]), 0)
        self.assertGreaterEqual(int(stats["uptime"]), 2)
        slabs = connection.stats("slabs")
        self.assertEqual(slabs["active_slabs"], "1")
        chunks = {name: int(slabs["1:" + name]) for name in ("total_chunks", "used_chunks", "free_chunks")}
        self.assertEqual(chunks["used_chunks"] + chunks["free_chunks"], chunks["total_chunks"])
        self.assertEqual(chunks["used_chunks"], int(connection.stats()["curr_items"]))

    def test_prefixes_are_added_up_over_reactors(self):
        connections = [self.connect() for _ in range(16)]
        for number, connection in enumerate(connections):
            connection.set(b"many/%d" % number, b"x")
            connection.get(b"many/%d" % number)
            connection.get(b"many/none")
            connection.ask("delete many/none")
        connection = connections[0]
        connection.send(b"stats detail dump\r\n")
        lines = []
        while (line := connection.line()) != b"END":
            lines.append(line)
        self.assertIn(b"PREFIX many get 32 hit 16 set 16 del 16", lines)
        self.assertEqual(connection.stats("settings")["detail_enabled"], "yes")
        self.assertEqual(connection.ask("stats detail off"), "OK")
        self.assertEqual(connection.stats("settings")["detail_enabled"], "no")
        self.assertEqual(connection.ask("stats detail on"), "OK")

    def test_reports_on_all_items_come_in_order_with_other_replies(self):
        server = self.enterContext(harness.Server(extended=("track_sizes",)))
        connection = self.enterContext(server.connect())
        connection.set(b"dumped", b"hello")
        connection.send(b"get none\r\nstats cachedump 1 0\r\nmn\r\nstats sizes\r\nmn\r\n")
        self.assertEqual(connection.line(), b"END")
        self.assertEqual(connection.line(), b"ITEM dumped [5 b; 0 s]")
        self.assertEqual(connection.line(), b"END")
        self.assertEqual(connection.line(), b"MN")
        # 48 of header, key and NUL, 8 of CAS, the value and CR LF: 70, in steps of 32.
        self.assertEqual(connection.line(), b"STAT 96 1")
        self.assertEqual(connection.line(), b"END")
        self.assertEqual(connection.line(), b"MN")

    def test_reports_of_every_kind_while_the_shards_change(self):
        stop = threading.Event()

        def write(number):
            with self.server.connect() as connection:
                serial = 0
                while not stop.is_set():
                    serial += 1
                    connection.set(b"w%d/%d" % (number, serial % 5000), b"x" * (serial % 700))

        writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for writer in writers:
            writer.start()
        try:
            connection = self.connect()
            for _ in range(20):
                for report in ("", "settings", "items", "slabs", "sizes", "detail dump", "cachedump 1 2000", "reset"):
                    connection.send(b"stats " + report.encode() + b"\r\n")
                    while (line := connection.line()) not in (b"END", b"RESET"):
                        self.assertRegex(line, rb"^(STAT|ITEM|PREFIX) ")
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        # What the histogram says and what there is agree when nobody writes.
        sizes = self.connect().stats("sizes")
        self.assertEqual(sum(map(int, sizes.values())), int(self.connect().stats()["curr_items"]))


class ForbiddenTest(harness.ServerCase):
    OPTIONS = ("-X", "-F")

    def test_dumps_and_flushes(self):
        connection = self.connect()
        self.assertEqual(connection.ask("stats detail dump"), "CLIENT_ERROR stats detail not allowed")
        self.assertEqual(connection.ask("stats cachedump 1 1"), "CLIENT_ERROR stats cachedump not allowed")
        self.assertEqual(connection.ask("flush_all"), "CLIENT_ERROR flush_all not allowed")
        self.assertEqual(connection.ask("shutdown"), "SERVER_ERROR: shutdown not enabled")
        self.assertEqual(connection.stats()["cmd_flush"], "1")


if __name__ == "__main__":
    unittest.main()
