"""Clients that send nonsense, half of something, or vanish."""

import random
import socket
import struct
import unittest

import harness

MEGABYTE = 1 << 20


def reset(connection):
    """Closes at once, with RST instead of FIN."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class BadInputTest(harness.ServerCase):
    SETTINGS = {"memory": 128}

    def setUp(self):
        self.client = self.connect()

    def still_works(self, client=None):
        client = client or self.client
        self.assertEqual(client.set(b"works", b"yes"), b"STORED")
        self.assertEqual(client.get(b"works"), b"yes")

    def test_unknown_commands_are_errors_and_the_connection_goes_on(self):
        for line in ("nonsense", "GET a", " get a", "sets a 0 0 1", "batchx", "\x01\x02\x03\x04"):
            self.assertEqual(self.client.ask(line), "ERROR", line)
        self.still_works()

    def test_a_line_without_end_over_the_limit_closes(self):
        self.client.send(b"set " + b"x" * 4000)
        self.assertNotIn(b"STORED", self.client.rest())
        self.still_works(self.connect())

    def test_a_long_get_is_allowed(self):
        self.client.set(b"here", b"1")
        keys = b" ".join(b"missing%04d" % i for i in range(1000)) + b" here"
        self.client.expect(self, b"get " + keys + b"\r\n", b"VALUE here 0 1\r\n1\r\nEND\r\n")

    def test_keys_over_250_bytes_are_refused_and_their_value_is_swallowed(self):
        self.assertEqual(self.client.set(b"k" * 250, b"fits"), b"STORED")
        refused = self.client.set(b"k" * 251, b"does not fit")
        self.assertTrue(refused.startswith(b"CLIENT_ERROR"), refused)
        self.assertTrue(self.client.ask("get " + "k" * 251).startswith("CLIENT_ERROR"))
        self.still_works(self.connect())

    def test_bad_numbers_are_client_errors(self):
        for line in ("set a x 0 1", "set a 0 x 1", "set a 0 0 x", "set a 0 0 -1", "set a 0 0", "set a",
                     "cas a 0 0 1 x", "incr a x", "incr a -1", "incr a 18446744073709551616", "touch a x",
                     "gat x a", "verbosity x", "flush_all x"):
            with self.subTest(line=line), self.server.connect() as client:
                reply = client.ask(line)
                # Where the length is readable the value is still expected.
                if reply != "ERROR":
                    self.assertTrue(reply.startswith("CLIENT_ERROR"), reply)
        self.still_works()

    def test_a_value_that_ends_early_or_late_is_not_stored(self):
        self.client.set(b"a", b"old")
        self.assertEqual(self.client.ask(b"set a 0 0 3\r\nabcde"), "CLIENT_ERROR bad data chunk")
        with self.server.connect() as other:
            self.assertEqual(other.get(b"a"), b"old")

    def test_too_large_a_value_is_swallowed(self):
        self.assertEqual(self.client.set(b"big", b"x" * (5 * MEGABYTE)), b"SERVER_ERROR object too large for cache")
        self.still_works()

    def test_a_length_of_two_gigabytes_is_refused_at_once(self):
        for length in (2147483647, 4294967295, 18446744073709551615, 99999999999999999999999):
            with self.server.connect() as client:
                reply = client.ask(f"set a 0 0 {length}")
                self.assertRegex(reply, "^(CLIENT_ERROR|SERVER_ERROR)")
        self.still_works()

    def test_random_bytes_never_stop_the_server(self):
        source = random.Random(20240607)
        words = [b"get", b"set", b"ms", b"mg", b"ma", b"batch", b"stats", b"a", b"0", b"-1", b"99999999999", b"\r\n",
                 b" ", b"v", b"noreply", b"\x00", b"\xff" * 9, b"k" * 251, b"gat", b"cas", b"run", b"snapshot", b"me"]
        for _ in range(300):
            with self.server.connect() as client:
                data = b"".join(source.choice(words) if source.random() < 0.8 else source.randbytes(5)
                                for _ in range(source.randrange(1, 60)))
                client.send(data + b"\r\n")
                if source.random() < 0.5:
                    reset(client)
        self.still_works()

    def test_http_requests_are_closed_without_reply(self):
        self.client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.client.rest(), b"")
        self.still_works(self.connect())


class VanishingClientsTest(harness.ServerCase):
    SETTINGS = {"memory": 128}
    OPTIONS = ("-c", "4096")

    def setUp(self):
        self.watch = self.connect()

    def connections(self):
        return int(self.watch.stats()["curr_connections"])

    def taken(self):
        """Connections that the server has ever taken or refused."""
        stats = self.watch.stats()
        return int(stats["total_connections"]) + int(stats["rejected_connections"])

    def settled(self, before):
        """Waits until the server has seen all connections come and, but for `before`, go."""
        opened = self.server.opened
        self.assertTrue(harness.wait_for(lambda: self.taken() >= opened), f"{self.taken()} of {opened} were taken")
        self.assertTrue(harness.wait_for(lambda: self.connections() <= before), self.connections())

    def vanish_in_values(self, count):
        """Clients that go away in the middle of small, large and over-large values, gently and not."""
        for i in range(count):
            client = self.server.connect()
            size = (100, 100_000, 1_000_000, 3_000_000)[i % 4]
            part = size // 2 if i % 3 else 0
            client.send(b"set vanish%d 0 0 %d\r\n" % (i, size) + b"x" * part)
            if i % 2:
                reset(client)
            else:
                client.close()

    def test_values_that_never_end_leave_nothing_behind(self):
        before = self.connections()
        self.vanish_in_values(60)
        self.settled(before)
        files, resident = self.server.open_files(), self.server.resident_bytes()
        self.vanish_in_values(400)
        self.settled(before)
        self.assertLessEqual(self.server.open_files(), files)
        # The items' own memory is bounded by -m, which may not have been touched before.
        self.assertLess(self.server.resident_bytes() - resident, 128 * MEGABYTE)
        self.assertIsNone(self.watch.get(b"vanish0"))
        # Room that a vanished client had reserved can be used again: all of the memory is filled and read back.
        for i in range(60):
            self.assertEqual(self.watch.set(b"fill%d" % i, b"f" * 1_000_000), b"STORED")
        self.assertEqual(self.watch.get(b"fill59"), b"f" * 1_000_000)

    def test_clients_that_never_read_do_not_hold_memory_after_they_left(self):
        self.assertEqual(self.watch.set(b"wide", b"w" * 1_000_000), b"STORED")
        before = self.connections()

        def ask_and_leave(count):
            for i in range(count):
                client = self.server.connect()
                client.send(b"get wide\r\n" * 20)
                if i % 2:
                    reset(client)
                else:
                    client.close()
            self.settled(before)

        ask_and_leave(30)
        files, resident = self.server.open_files(), self.server.resident_bytes()
        ask_and_leave(150)
        self.assertLessEqual(self.server.open_files(), files)
        self.assertLess(self.server.resident_bytes() - resident, 32 * MEGABYTE)
        self.assertEqual(self.watch.get(b"wide"), b"w" * 1_000_000)

    def open_and_drop(self, count):
        """Opens `count` connections, 500 at a time; some talk, some half, some not at all."""
        for start in range(0, count, 500):
            clients = [self.server.connect() for _ in range(min(500, count - start))]
            for i, client in enumerate(clients):
                if i % 4 == 1:
                    client.send(b"get a\r\n")
                elif i % 4 == 2:
                    client.send(b"set a 0 0 10\r\nabc")
                elif i % 4 == 3:
                    client.send(b"get half a li")
            for i, client in enumerate(clients):
                if i % 2:
                    reset(client)
                else:
                    client.close()

    def test_ten_thousand_connections_opened_and_dropped_leave_nothing_behind(self):
        before = self.connections()
        self.open_and_drop(2000)
        self.settled(before)
        files, resident = self.server.open_files(), self.server.resident_bytes()
        self.open_and_drop(10_000)
        self.settled(before)
        self.assertLessEqual(self.server.open_files(), files)
        # A leak of 2 KiB each would be 20 MiB.
        self.assertLess(self.server.resident_bytes() - resident, 12 * MEGABYTE)
        self.assertEqual(self.watch.set(b"works", b"yes"), b"STORED")


if __name__ == "__main__":
    unittest.main()
