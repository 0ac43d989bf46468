"""Memory as the operator sees it: the limit at run time, full caches, values of any size, clients that vanish."""

import os
import threading
import unittest

import harness

MIB = 1 << 20
NO_MEMORY = b"SERVER_ERROR out of memory storing object\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"


def fill(client, megabytes, value=b"v" * 1000, prefix=b"fill"):
    """Stores about so much, in pipelines without replies."""
    count = megabytes * MIB // (len(value) + 20)
    for start in range(0, count, 500):
        client.send(b"".join(b"set %s%d 0 0 %d noreply\r\n%s\r\n" % (prefix, i, len(value), value)
                             for i in range(start, min(start + 500, count))))
    assert client.ask("mn") == "MN"
    return count


class LimitAtRunTimeTest(harness.ServerCase):
    SETTINGS = {"memory": 256}

    def test_the_process_gives_back_what_the_limit_takes_and_takes_it_again(self):
        client = self.connect()
        fill(client, 300)
        full = self.server.resident_bytes()
        self.assertGreater(full, 200 * MIB)
        client.expect(self, b"cache_memlimit 32\r\n", b"OK\r\n")
        self.assertEqual(client.stats()["limit_maxbytes"], str(32 * MIB))
        self.assertEqual(client.stats("settings")["maxbytes"], str(32 * MIB))
        # Without any traffic: housekeeping does it.
        shrunk = harness.wait_for(lambda: self.server.resident_bytes() < full - 190 * MIB, seconds=60)
        self.assertTrue(shrunk, f"{full >> 20} MiB before, {self.server.resident_bytes() >> 20} MiB after")
        fill(client, 64, prefix=b"more")
        self.assertLess(self.server.resident_bytes(), full - 150 * MIB)
        self.assertEqual(client.set(b"large", b"x" * 900_000), b"STORED")

        client.expect(self, b"cache_memlimit 512\r\n", b"OK\r\n")
        client.send(b"stats reset\r\n")
        self.assertEqual(client.line(), b"RESET")
        count = fill(client, 350, prefix=b"again")
        # A segment of each shard may have been half emptied when the limit rose.
        self.assertLess(int(client.stats()["evictions"]), count // 50)
        self.assertGreater(self.server.resident_bytes(), 350 * MIB)
        for i in range(0, count, count // 100):
            self.assertEqual(client.get(b"again%d" % i), b"v" * 1000)
        client.expect(self, b"cache_memlimit 256 noreply\r\nmn\r\n", b"MN\r\n")

    def test_limits_that_cannot_be_are_refused(self):
        client = self.connect()
        client.expect(self, b"cache_memlimit 7\r\n", b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n")
        client.expect(self, b"cache_memlimit 1000000000\r\n", b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n")


@unittest.skipIf("SHARDMILL_SANITIZED" in os.environ, "a sanitizer's allocator keeps what was freed")
class WholeProcessTest(harness.ServerCase):
    """-m is for the process: five percent and 16 MiB over it at most, whatever clients hold."""
    SETTINGS = {"memory": 64}
    OPTIONS = ("-t", "4", "-c", "4000")
    BOUND = 64 * MIB * 105 // 100 + 16 * MIB

    def check(self, what):
        resident = self.server.resident_bytes()
        self.assertLess(resident, self.BOUND, f"{resident >> 20} MiB {what}: {self.connect().stats()}")

    def flood(self, clients, prefix):
        """More than is served, from several clients at once."""
        block = b"".join(b"set %s%d 0 0 100 noreply\r\n%s\r\n" % (prefix, i, b"v" * 100) for i in range(20_000))
        threads = [threading.Thread(target=client.send, args=(block.replace(prefix, prefix + b"%d-" % n),))
                   for n, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        most = 0
        while any(thread.is_alive() for thread in threads):
            most = max(most, self.server.resident_bytes())
        for thread in threads:
            thread.join()
        for client in clients:
            self.assertEqual(client.ask("mn"), "MN")
        self.assertLess(most, self.BOUND, f"{most >> 20} MiB during the flood")

    def test_items_index_and_buffers_stay_within_it(self):
        client = self.connect()
        full_budget = int(client.stats()["budget_bytes"])
        self.assertEqual(full_budget, 64 * MIB, "a few connections cost nothing")
        self.flood([self.connect() for _ in range(8)], b"a")
        self.flood([self.connect() for _ in range(8)], b"b")
        fill(client, 80)
        self.check("full")
        others = []
        for i in range(1500):
            other = self.server.connect()
            other.send(b"set half%d 0 0 9000\r\n" % i + b"x" * 4500)
            others.append(other)
        harness.wait_for(lambda: int(client.stats()["read_buf_bytes"]) >= 1500 * 9000)
        fill(client, 80, prefix=b"more")
        self.assertTrue(harness.wait_for(lambda: self.server.resident_bytes() < self.BOUND))
        stats = client.stats()
        self.assertLess(int(stats["budget_bytes"]), full_budget - 10 * MIB)
        self.assertLessEqual(int(stats["charged_bytes"]), int(stats["budget_bytes"]) + MIB)
        for i, other in enumerate(others):
            other.send(b"y" * 4500 + b"\r\n")
        for other in others:
            self.assertEqual(other.line(), b"STORED")
            other.close()
        # All of it is for items again.
        self.assertTrue(harness.wait_for(lambda: int(client.stats()["budget_bytes"]) == full_budget))
        fill(client, 80, prefix=b"again")
        self.check("at the end")


class VanishingClientsTest(harness.ServerCase):
    SETTINGS = {"memory": 64}

    def pages(self, client):
        return int(client.stats("slabs")["total_malloced"])

    def test_half_sent_values_take_half_of_the_cache_at_most_and_leave_nothing(self):
        client = self.connect()
        fill(client, 80)
        items = int(client.stats()["curr_items"])
        others, refused = [], 0
        for i in range(100):
            other = self.server.connect()
            others.append(other)
            other.send(b"set half%d 0 0 1000000\r\n" % i + b"x" * 500_000)
        # Who is refused is told at once; the others wait for the rest of their value.
        client.set(b"marker", b"1")
        stats = client.stats()
        self.assertGreater(int(stats["curr_items"]), items // 4, stats)
        for other in others[:50]:
            other.close()
        for other in others[50:]:
            other.send(b"x" * 500_000 + b"\r\n")
            reply = other.line() + b"\r\n"
            self.assertIn(reply, (b"STORED\r\n", NO_MEMORY))
            refused += reply == NO_MEMORY
            other.close()
        self.assertGreater(refused, 0)
        harness.wait_for(lambda: client.stats()["curr_connections"] == "1")
        # All of the memory is there again: as many items fit as before.
        client.expect(self, b"flush_all\r\n", b"OK\r\n")
        fill(client, 80, prefix=b"after")
        self.assertGreater(int(client.stats()["curr_items"]), items * 95 // 100)

    def test_vanishing_in_the_middle_of_large_values_under_a_full_cache_leaks_nothing(self):
        client = self.connect()
        fill(client, 80)
        harness.wait_for(lambda: client.stats()["curr_connections"] == "1")
        before = self.server.resident_bytes()
        for i in range(400):
            with self.server.connect() as other:
                other.send(b"set gone 0 0 900000\r\n" + b"x" * (i * 2000))
        harness.wait_for(lambda: client.stats()["curr_connections"] == "1")
        self.assertIsNone(client.get(b"gone"))
        fill(client, 80, prefix=b"b")
        self.assertLess(self.server.resident_bytes(), before + 24 * MIB)
        self.assertEqual(client.set(b"last", b"x" * 900_000), b"STORED")


class WithoutEvictionTest(harness.ServerCase):
    OPTIONS = ("-M", "-t", "1")  # one reactor's buffers cost nothing: what is full stays so
    SETTINGS = {"memory": 32}

    def test_a_full_store_refuses_and_a_failed_set_takes_the_old_value(self):
        client = self.connect()
        for key in (b"set", b"add", b"replace", b"append", b"ms", b"large"):
            self.assertEqual(client.set(key, b"old"), b"STORED")
        fill(client, 48)
        size = 50_000  # straight into the log
        block = b"%d\r\n" % size + b"x" * size + b"\r\n"
        while client.set(b"filler", b"x" * size) == b"STORED":
            client.expect(self, b"append filler 0 0 1\r\ny\r\n", b"STORED\r\n")
            fill(client, 2, prefix=b"rest")
        for verb in (b"set", b"add", b"replace", b"append"):
            client.expect(self, b"%s %s 0 0 " % (verb, verb) + block, NO_MEMORY)
        client.expect(self, b"ms ms %d ME\r\n" % size + b"x" * size + b"\r\n", NO_MEMORY)
        client.expect(self, b"set large 0 0 2000000\r\n" + b"x" * 2_000_000 + b"\r\n", TOO_LARGE)
        self.assertEqual([client.get(key) for key in (b"set", b"add", b"replace", b"append", b"ms", b"large")],
                         [None, b"old", b"old", b"old", None, None])
        self.assertGreaterEqual(int(client.stats()["store_no_memory"]), 5)
        self.assertEqual(client.stats()["evictions"], "0")


class LargestItemsTest(harness.ServerCase):
    OPTIONS = ("-I", "1g")
    SETTINGS = {"memory": 2600}
    LARGEST = (1 << 30) - 48 - 3 - 1 - 8 - 2  # key of three bytes

    def store(self, client, verb, key, value):
        client.send(b"%s %s 0 0 %d\r\n" % (verb, key, len(value)))
        client.send(value)
        client.send(b"\r\n")
        return client.line()

    def test_an_item_of_a_gibibyte_is_stored_read_joined_replaced_and_deleted(self):
        client = self.connect()
        value = bytes(range(256)) * (self.LARGEST // 256) + b"z" * (self.LARGEST % 256)
        self.assertEqual(self.store(client, b"set", b"foo", value), b"STORED")
        self.assertEqual(client.get(b"foo"), value)
        client.expect(self, b"append foo 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        client.send(b"set foo 1 0 %d\r\n" % self.LARGEST)
        client.send(value + b"\r\n")
        self.assertEqual(client.line() + b"\r\n", TOO_LARGE)  # client flags take four bytes
        self.assertIsNone(client.get(b"foo"))

        self.assertEqual(self.store(client, b"set", b"foo", value[:-10]), b"STORED")
        client.expect(self, b"append foo 0 0 10\r\n0123456789\r\n", b"STORED\r\n")
        client.expect(self, b"mg foo s\r\n", b"HD s%d\r\n" % self.LARGEST)
        with self.server.connect() as other:  # half of it, and gone
            other.send(b"set foo 0 0 %d\r\n" % self.LARGEST)
            other.send(value[:300 * MIB])
        self.assertEqual(client.get(b"foo")[-20:], value[-20:-10] + b"0123456789")
        self.assertEqual(self.store(client, b"replace", b"foo", b"small"), b"STORED")
        self.assertEqual(self.store(client, b"set", b"foo", value), b"STORED")
        client.expect(self, b"delete foo\r\nget foo\r\n", b"DELETED\r\nEND\r\n")
        self.assertTrue(harness.wait_for(lambda: self.server.resident_bytes() < 300 * MIB, seconds=60))


if __name__ == "__main__":
    unittest.main()
