"""The text protocol, as a client on a socket sees it."""

import threading
import unittest

import harness


class ClassicCommandsTest(harness.ServerCase):
    def setUp(self):
        self.client = self.connect()
        self.client.expect(self, b"flush_all\r\n", b"OK\r\n")

    def test_set_and_get_return_value_and_flags(self):
        self.client.expect(self, b"set a 7 0 5\r\nhello\r\n", b"STORED\r\n")
        self.client.expect(self, b"get a\r\n", b"VALUE a 7 5\r\nhello\r\nEND\r\n")
        self.client.expect(self, b"get missing\r\n", b"END\r\n")

    def test_get_of_many_keys_keeps_their_order_and_repeats(self):
        for key in (b"a", b"b", b"c"):
            self.assertEqual(self.client.set(key, b"v" + key), b"STORED")
        self.client.expect(self, b"get c x a  c\r\n",
                           b"VALUE c 0 2\r\nvc\r\nVALUE a 0 2\r\nva\r\nVALUE c 0 2\r\nvc\r\nEND\r\n")

    def test_add_and_replace_look_at_what_is_there(self):
        self.client.expect(self, b"replace a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        self.client.expect(self, b"add a 0 0 1\r\nx\r\n", b"STORED\r\n")
        self.client.expect(self, b"add a 0 0 1\r\ny\r\n", b"NOT_STORED\r\n")
        self.client.expect(self, b"replace a 0 0 1\r\nz\r\n", b"STORED\r\n")
        self.assertEqual(self.client.get(b"a"), b"z")

    def test_append_and_prepend_keep_the_flags(self):
        self.client.expect(self, b"append a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        self.client.set(b"a", b"mid", flags=9)
        self.client.expect(self, b"append a 1 0 3\r\nend\r\n", b"STORED\r\n")
        self.client.expect(self, b"prepend a 2 0 5\r\nstart\r\n", b"STORED\r\n")
        self.client.expect(self, b"get a\r\n", b"VALUE a 9 11\r\nstartmidend\r\nEND\r\n")

    def test_cas_stores_only_over_the_version_that_was_read(self):
        self.client.set(b"a", b"1")
        self.client.send(b"gets a\r\n")
        unique = self.client.line().split()[4]
        self.client.exactly(len(b"1\r\nEND\r\n"))
        self.client.expect(self, b"cas a 0 0 1 " + unique + b"\r\n2\r\n", b"STORED\r\n")
        self.client.expect(self, b"cas a 0 0 1 " + unique + b"\r\n3\r\n", b"EXISTS\r\n")
        self.client.expect(self, b"cas none 0 0 1 " + unique + b"\r\n3\r\n", b"NOT_FOUND\r\n")
        self.assertEqual(self.client.get(b"a"), b"2")

    def test_delete_removes_once(self):
        self.client.set(b"a", b"1")
        self.client.expect(self, b"delete a\r\n", b"DELETED\r\n")
        self.client.expect(self, b"delete a\r\n", b"NOT_FOUND\r\n")

    def test_incr_wraps_and_decr_stops_at_zero(self):
        self.client.expect(self, b"incr n 1\r\n", b"NOT_FOUND\r\n")
        self.client.set(b"n", b"18446744073709551615")
        self.client.expect(self, b"incr n 2\r\n", b"1\r\n")
        self.client.expect(self, b"decr n 5\r\n", b"0\r\n")
        self.client.set(b"n", b"text")
        self.client.expect(self, b"incr n 1\r\n",
                           b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")

    def test_touch_and_gat_set_a_new_deadline(self):
        self.client.expect(self, b"touch a 10\r\n", b"NOT_FOUND\r\n")
        self.client.set(b"a", b"1")
        self.client.expect(self, b"touch a 100\r\n", b"TOUCHED\r\n")
        self.client.expect(self, b"gat 100 a\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")
        self.client.expect(self, b"mg a t\r\n", b"HD t")
        self.assertIn(int(self.client.line()), range(90, 101))

    def test_negative_exptime_stores_what_is_never_seen(self):
        self.client.expect(self, b"set a 0 -1 1\r\nx\r\n", b"STORED\r\n")
        self.assertIsNone(self.client.get(b"a"))

    def test_an_item_is_gone_when_its_time_is_up(self):
        self.client.set(b"short", b"x", exptime=1)
        self.client.set(b"long", b"x", exptime=1000)
        self.assertTrue(harness.wait_for(lambda: self.client.get(b"short") is None))
        self.assertEqual(self.client.get(b"long"), b"x")

    def test_flush_all_empties_the_server(self):
        self.client.set(b"a", b"1")
        self.client.expect(self, b"flush_all\r\n", b"OK\r\n")
        self.assertIsNone(self.client.get(b"a"))

    def test_noreply_answers_nothing(self):
        self.client.expect(self, b"set a 0 0 1 noreply\r\nx\r\ndelete b noreply\r\nget a\r\n",
                           b"VALUE a 0 1\r\nx\r\nEND\r\n")

    def test_version_and_verbosity(self):
        self.assertTrue(self.client.ask("version").startswith("VERSION "))
        self.client.expect(self, b"verbosity 0\r\n", b"OK\r\n")

    def test_quit_answers_what_came_before_and_closes(self):
        self.client.send(b"set q 0 0 1\r\nx\r\nquit\r\nget q\r\n")
        self.assertEqual(self.client.rest(), b"STORED\r\n")

    def test_stats_count_what_was_done(self):
        before = self.client.stats()
        self.client.set(b"a", b"1")
        self.client.get(b"a")
        self.client.get(b"none")
        after = self.client.stats()
        for name, difference in {"cmd_set": 1, "cmd_get": 2, "get_hits": 1, "get_misses": 1}.items():
            self.assertEqual(int(after[name]) - int(before[name]), difference, name)
        self.assertEqual(int(after["total_items"]) - int(before["total_items"]), 1)
        self.assertGreaterEqual(int(after["curr_items"]), 1)
        self.assertEqual(int(after["pid"]), self.server.pid)
        self.assertEqual(int(after["limit_maxbytes"]), 64 << 20)

    def test_two_connections_see_each_others_writes(self):
        other = self.connect()
        for i in range(100):
            self.assertEqual(self.client.set(b"shared", b"%d" % i), b"STORED")
            self.assertEqual(other.get(b"shared"), b"%d" % i)


class MetaCommandsTest(harness.ServerCase):
    def setUp(self):
        self.client = self.connect()

    def test_meta_set_get_and_delete(self):
        self.client.expect(self, b"ms m 3 T0 F5\r\nabc\r\n", b"HD\r\n")
        self.client.expect(self, b"mg m v f s k\r\n", b"VA 3 f5 s3 km\r\nabc\r\n")
        self.client.expect(self, b"md m\r\n", b"HD\r\n")
        self.client.expect(self, b"mg m v\r\n", b"EN\r\n")
        self.client.expect(self, b"md m\r\n", b"NF\r\n")

    def test_meta_arithmetic_creates_and_counts(self):
        self.client.expect(self, b"ma counter\r\n", b"NF\r\n")
        self.client.expect(self, b"ma counter N0 J13 v\r\n", b"VA 2\r\n13\r\n")
        self.client.expect(self, b"ma counter D7 v\r\n", b"VA 2\r\n20\r\n")

    def test_quiet_misses_are_silent_up_to_the_noop(self):
        self.client.expect(self, b"mg none1 v q\r\nmg none2 v q\r\nmn\r\n", b"MN\r\n")

    def test_binary_keys_come_as_base64(self):
        self.client.expect(self, b"ms AQID 2 b\r\nok\r\n", b"HD\r\n")
        self.client.expect(self, b"mg AQID b v\r\n", b"VA 2\r\nok\r\n")

    def test_opaque_and_key_are_returned(self):
        self.client.expect(self, b"mg missing O123 k v\r\n", b"EN O123 kmissing\r\n")
        self.client.expect(self, b"md missing O123 k\r\n", b"NF O123 kmissing\r\n")


class PipelinesTest(harness.ServerCase):
    SETTINGS = {"reactors": 4, "memory": 256}

    def test_ten_thousand_requests_in_one_write_are_answered_in_order(self):
        client = self.connect()
        count = 10_000
        sent = b"".join(b"set k%d 0 0 %d\r\n%d\r\nget k%d\r\n" % (i, len(str(i)), i, i) for i in range(count))
        wanted = b"".join(b"STORED\r\nVALUE k%d 0 %d\r\n%d\r\nEND\r\n" % (i, len(str(i)), i) for i in range(count))
        # The replies fill the socket while requests are still being sent: both directions must move.
        writer = threading.Thread(target=client.send, args=(sent,))
        writer.start()
        self.assertEqual(client.exactly(len(wanted)), wanted)
        writer.join()

    def test_a_request_cut_anywhere_is_the_same_request(self):
        client = self.connect()
        request = b"set cut 0 0 6\r\nab\r\ncd\r\nget cut\r\nmg cut v\r\n"
        wanted = b"STORED\r\nVALUE cut 0 6\r\nab\r\ncd\r\nEND\r\nVA 6\r\nab\r\ncd\r\n"
        for cut in range(1, len(request)):
            client.send(request[:cut])
            # A round trip on another connection, so that the first part is seen on its own.
            self.connect().ask("version")
            client.send(request[cut:])
            self.assertEqual(client.exactly(len(wanted)), wanted, f"cut at {cut}")

    def test_multiget_of_a_thousand_keys(self):
        client = self.connect()
        for i in range(1000):
            client.send(b"set many%d 0 0 3 noreply\r\n%03d\r\n" % (i, i))
        keys = b" ".join(b"many%d" % i for i in range(1000))
        wanted = b"".join(b"VALUE many%d 0 3\r\n%03d\r\n" % (i, i) for i in range(1000)) + b"END\r\n"
        client.expect(self, b"get " + keys + b"\r\n", wanted)


class LargeValuesTest(harness.ServerCase):
    SETTINGS = {"memory": 256}
    OPTIONS = ("-I", "16m")

    def test_values_of_every_size_come_back_unchanged(self):
        client = self.connect()
        pattern = bytes(range(256)) * 65536
        for size in (0, 1, 1023, 1024, 4095, 65535, 65536, 262144, 1 << 20, (1 << 20) + 1, 5_000_000, 16_000_000):
            value = pattern[:size]
            self.assertEqual(client.set(b"large", value), b"STORED", size)
            self.assertEqual(client.get(b"large"), value, size)

    def test_a_value_over_the_limit_is_refused_and_the_old_one_is_gone(self):
        client = self.connect()
        client.set(b"big", b"old")
        self.assertEqual(client.set(b"big", b"x" * (17 << 20)), b"SERVER_ERROR object too large for cache")
        self.assertIsNone(client.get(b"big"))
        self.assertEqual(client.set(b"big", b"new"), b"STORED")

    def test_many_large_values_read_slowly_do_not_mix(self):
        client = self.connect()
        values = {b"slow%d" % i: bytes([65 + i]) * 3_000_000 for i in range(8)}
        for key, value in values.items():
            self.assertEqual(client.set(key, value), b"STORED")
        client.send(b"get " + b" ".join(values) + b"\r\n")
        heads = [client.line()]
        other = self.connect()
        for key in values:  # replaced while the old values are on their way
            self.assertEqual(other.set(key, b"replaced"), b"STORED")
        for key, value in values.items():
            head = heads.pop() if heads else client.line()
            size = int(head.split()[3])
            self.assertEqual(head, b"VALUE %s 0 %d" % (key, size))
            self.assertIn(client.exactly(size + 2), (value + b"\r\n", b"replaced\r\n"), key)
        self.assertEqual(client.line(), b"END")
        for key in values:
            self.assertEqual(client.get(key), b"replaced")


class MemoryTest(harness.ServerCase):
    SETTINGS = {"memory": 16}

    def test_memory_stays_bounded_while_four_times_its_size_is_stored(self):
        client = self.connect()
        value = b"v" * 1000
        for start in range(0, 64_000, 500):
            client.send(b"".join(b"set item%06d 0 0 1000\r\n%s\r\n" % (start + i, value) for i in range(500)))
            self.assertEqual(client.exactly(8 * 500), b"STORED\r\n" * 500)
        stats = client.stats()
        self.assertGreater(int(stats["evictions"]), 0)
        self.assertLessEqual(int(stats["bytes"]), 16 << 20)
        self.assertGreater(int(stats["curr_items"]), 4000)
        self.assertEqual(client.get(b"item063999"), value)


if __name__ == "__main__":
    unittest.main()
