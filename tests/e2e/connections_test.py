"""How many connections there may be, how long they may idle, and what `stats conns` says about them."""

import os
import tempfile
import unittest

import harness


def conns(client):
    """`stats conns` as {descriptor: {name: value}}."""
    result = {}
    for name, value in client.stats("conns").items():
        number, what = name.split(":")
        result.setdefault(int(number), {})[what] = value
    return result


class ListTest(unittest.TestCase):
    def listed(self, client, address):
        return next((c for c in conns(client).values() if c["addr"] == address), None)

    def test_tcp(self):
        for reactors in (1, 4):
            with self.subTest(reactors=reactors), harness.Server(reactors=reactors) as server, \
                    server.connect() as asking, server.connect() as half, server.connect() as idle:
                self.assertEqual(idle.ask("mn"), "MN")
                # The connection that waited for the start is gone, and the others are there.
                self.assertTrue(harness.wait_for(lambda: asking.stats()["curr_connections"] == "3"))
                half.send(b"set foo 0 0 6\r\n")

                def name(client):
                    return "tcp:127.0.0.1:%d" % client.socket.getsockname()[1]

                self.assertTrue(harness.wait_for(
                    lambda: (self.listed(asking, name(half)) or {}).get("state") == "conn_nread"))
                listener = f"tcp:127.0.0.1:{server.port}"
                found = conns(asking)
                self.assertEqual(list(found), sorted(found))
                self.assertEqual({c["addr"]: c["state"] for c in found.values()},
                                 {listener: "conn_listening", name(asking): "conn_parse_cmd", name(half): "conn_nread",
                                  name(idle): "conn_read"})
                for connection in found.values():
                    self.assertRegex(connection["secs_since_last_cmd"], r"^\d+$")
                    if connection["state"] == "conn_listening":
                        self.assertEqual(list(connection), ["addr", "state", "secs_since_last_cmd"])
                    else:
                        self.assertEqual(list(connection), ["addr", "listen_addr", "state", "secs_since_last_cmd"])
                        self.assertEqual(connection["listen_addr"], listener)
                self.assertTrue(harness.wait_for(
                    lambda: int(self.listed(asking, name(idle))["secs_since_last_cmd"]) > 0))
                half.send(b"foobar\r\n")
                self.assertEqual(half.line(), b"STORED")

    def test_every_interface(self):
        port = harness.free_port()
        with harness.Server("-l", f"*:{port}") as server, server.connect() as asking, \
                harness.Connection(("::1", port)) as six, harness.Connection(("127.0.0.1", port)) as four:
            for client in (six, four):
                self.assertEqual(client.ask("mn"), "MN")
            found = {c["addr"]: c for c in conns(asking).values()}
            self.assertEqual(found[f"tcp:0.0.0.0:{port}"]["state"], "conn_listening")
            self.assertEqual(found[f"tcp6:[::]:{port}"]["state"], "conn_listening")
            client = found["tcp6:[::1]:%d" % six.socket.getsockname()[1]]
            self.assertEqual(client["listen_addr"], f"tcp6:[::1]:{port}")
            client = found["tcp:127.0.0.1:%d" % four.socket.getsockname()[1]]
            self.assertEqual(client["listen_addr"], f"tcp:127.0.0.1:{port}")

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory(prefix="shardmill-e2e-") as directory:
            path = os.path.join(directory, "socket")
            with harness.Server(unix=path) as server, server.connect() as asking:
                self.assertTrue(harness.wait_for(lambda: len(conns(asking)) == 2))
                listener, client = conns(asking).values()
                self.assertEqual((listener["addr"], listener["state"]), (f"unix:{path}", "conn_listening"))
                self.assertEqual((client["listen_addr"], client["state"]), (f"unix:{path}", "conn_parse_cmd"))

    def test_the_listing_does_not_hold_up_a_pipeline(self):
        with harness.Server(reactors=4) as server, server.connect() as client:
            client.send(b"stats conns\r\n" * 20 + b"mn\r\n")
            ends = 0
            while (line := client.line()) != b"MN":
                ends += line == b"END"
            self.assertEqual(ends, 20)


class LimitTest(unittest.TestCase):
    def test_clients_wait_where_they_are_not_refused(self):
        for reactors in (1, 4):
            with self.subTest(reactors=reactors), \
                    harness.Server("-c", "5", "-o", "no_maxconns_fast", reactors=reactors) as server:
                clients = [server.connect()]
                # The connection that waited for the start is gone.
                self.assertTrue(harness.wait_for(lambda: clients[0].stats()["curr_connections"] == "1"))
                clients += [server.connect() for _ in range(4)]
                for client in clients:
                    self.assertEqual(client.ask("mn"), "MN")
                stats = clients[0].stats()
                self.assertNotIn("rejected_connections", stats)
                self.assertEqual((stats["accepting_conns"], stats["listen_disabled_num"]), ("1", "0"))
                waiting = [server.connect() for _ in range(3)]
                for client in waiting:
                    client.send(b"mn\r\n")
                self.assertTrue(harness.wait_for(lambda: clients[0].stats()["accepting_conns"] == "0"))
                self.assertEqual(clients[0].stats()["listen_disabled_num"], "1")
                for client in waiting:
                    clients.pop().close()
                    self.assertEqual(client.line(), b"MN")
                self.assertTrue(harness.wait_for(lambda: clients[0].stats()["accepting_conns"] == "1"))
                stats = clients[0].stats()
                self.assertGreater(int(stats["time_in_listen_disabled_us"]), 0)
                self.assertEqual(stats["curr_connections"], "5")
                for client in clients + waiting:
                    client.close()


class IdleTest(unittest.TestCase):
    def test_who_says_nothing_is_closed(self):
        with harness.Server("-o", "idle_timeout=1") as server, server.connect() as idle, server.connect() as half:
            self.assertEqual(idle.ask("mn"), "MN")
            half.send(b"set a 0 0 10\r\nabc")
            self.assertEqual(idle.rest(), b"")
            half.send(b"defghij\r\n")
            self.assertEqual(half.line(), b"STORED")
            self.assertEqual(half.stats()["idle_kicks"], "1")

    def test_there_is_no_timeout_unless_asked_for(self):
        with harness.Server() as server, server.connect() as client:
            self.assertNotIn("idle_kicks", client.stats())


class CountersTest(unittest.TestCase):
    def test_connections_are_counted_as_memcached_counts_them(self):
        ports = [harness.free_port(), harness.free_port()]
        listen = ",".join(f"127.0.0.1:{port}" for port in ports)
        with harness.Server("-l", listen, reactors=4) as server, server.connect() as client:
            # Three sockets that are listened on, one of which does not count, and us.
            self.assertTrue(harness.wait_for(lambda: client.stats()["curr_connections"] == "3"))
            total = int(client.stats()["total_connections"])
            self.assertEqual(total, server.opened + 3)
            others = [server.connect() for _ in range(10)]
            for other in others:
                self.assertEqual(other.ask("mn"), "MN")
            stats = client.stats()
            self.assertEqual(stats["curr_connections"], "13")
            self.assertEqual(int(stats["total_connections"]), total + 10)
            self.assertGreaterEqual(int(stats["connection_structures"]), 14)
            for other in others:
                other.close()
            self.assertTrue(harness.wait_for(lambda: client.stats()["curr_connections"] == "3"))
            self.assertEqual(client.ask("stats reset"), "RESET")
            stats = client.stats()
            self.assertEqual((stats["curr_connections"], stats["total_connections"]), ("3", "0"))

    def test_yields_are_counted_with_few_requests_per_event(self):
        with harness.Server("-R", "1") as server, server.connect() as client:
            client.send(b"mn\r\n")
            self.assertEqual(client.line(), b"MN")
            self.assertEqual(client.stats()["conn_yields"], "0")
            client.send(b"mn\r\n" * 6)
            self.assertEqual(client.exactly(24), b"MN\r\n" * 6)
            self.assertGreaterEqual(int(client.stats()["conn_yields"]), 5)


if __name__ == "__main__":
    unittest.main()
