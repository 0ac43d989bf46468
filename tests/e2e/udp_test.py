"""UDP from plain sockets: text, binary, long replies, nonsense, strangers."""

import os
import socket
import struct
import subprocess
import tempfile
import unittest

import harness

HEADER = struct.Struct(">HHHH")
DATAGRAM_BYTES = 1400
PATIENCE_SECONDS = 20


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UdpClient:
    def __init__(self, port, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect((host, port))
        self.last_id = 0

    def close(self):
        self.socket.close()

    def send(self, payload, request=1, total=1):
        self.socket.send(HEADER.pack(request, 0, total, 0) + payload)

    def receive(self):
        """One datagram: (request id, number, total, payload)."""
        data = self.socket.recv(1 << 16)
        request, number, total, reserved = HEADER.unpack_from(data)
        assert reserved == 0 and len(data) <= DATAGRAM_BYTES, data[:40]
        return request, number, total, data[HEADER.size:]

    def message(self, request):
        """The datagrams of one message, put together."""
        parts = []
        while True:
            got, number, total, payload = self.receive()
            assert (got, number) == (request, len(parts)), (got, number, total)
            parts.append(payload)
            if number + 1 == total:
                return b"".join(parts)
            assert len(payload) == DATAGRAM_BYTES - HEADER.size

    def ask(self, payload):
        self.last_id = self.last_id % 65535 + 1
        self.send(payload, self.last_id)
        return self.message(self.last_id)


def packet(opcode, key=b"", value=b"", extras=b"", opaque=0):
    body = extras + key + value
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque, 0) + body


class UdpCase(unittest.TestCase):
    def serve(self, *options, **settings):
        port = free_udp_port()
        server = harness.Server("-U", str(port), *options, **settings)
        self.enterContext(server)
        return server, port

    def client(self, port, host="127.0.0.1"):
        client = UdpClient(port, host)
        self.addCleanup(client.close)
        return client


class UdpTest(UdpCase):
    def test_every_command_works_with_one_and_with_four_reactors(self):
        for reactors in (1, 4):
            with self.subTest(reactors=reactors):
                _, port = self.serve(reactors=reactors)
                client = self.client(port)
                self.assertEqual(client.ask(b"set a 5 0 3\r\nabc\r\n"), b"STORED\r\n")
                self.assertEqual(client.ask(b"get a\r\n"), b"VALUE a 5 3\r\nabc\r\nEND\r\n")
                self.assertEqual(client.ask(b"mg a v f\r\n"), b"VA 3 f5\r\nabc\r\n")
                self.assertEqual(client.ask(b"append a 0 0 1\r\nd\r\n"), b"STORED\r\n")
                self.assertEqual(client.ask(b"delete a\r\n"), b"DELETED\r\n")
                self.assertEqual(client.ask(b"version\r\n")[:8], b"VERSION ")
                self.assertEqual(client.ask(b"bogus\r\n"), b"ERROR\r\n")
                self.assertEqual(client.ask(b"watch\r\n"), b"ERROR\r\n")
                self.assertTrue(client.ask(b"stats\r\n").endswith(b"END\r\n"))

    def test_packets_and_text_side_by_side(self):
        _, port = self.serve()
        client = self.client(port)
        stored = client.ask(packet(0x01, b"k", b"value", struct.pack(">II", 7, 0), 99))
        self.assertEqual((stored[:2], stored[6:8], stored[12:16]), (b"\x81\x01", b"\0\0", struct.pack(">I", 99)))
        self.assertEqual(client.ask(b"get k\r\n"), b"VALUE k 7 5\r\nvalue\r\nEND\r\n")
        hit = client.ask(packet(0x00, b"k"))
        self.assertEqual(hit[24:], struct.pack(">I", 7) + b"value")
        # Quiet packets, and the one that is not.
        both = client.ask(packet(0x09, b"none") + packet(0x09, b"k") + packet(0x0a, opaque=5))
        self.assertEqual(len(both), 24 + 4 + 5 + 24)

    def test_long_replies_come_in_numbered_datagrams(self):
        server, port = self.serve()
        client = self.client(port)
        with server.connect() as connection:
            for size in (1300, 1400, 50_000, 1_000_000):
                value = os.urandom(size)
                self.assertEqual(connection.set(b"long", value), b"STORED")
                wanted = b"VALUE long 0 %d\r\n%s\r\nEND\r\n" % (size, value)
                self.assertEqual(client.ask(b"get long\r\n") == wanted, True, size)

    def test_stats_and_jobs_are_answered_when_they_are_ready(self):
        _, port = self.serve()
        client = self.client(port)
        for i in range(20):
            client.ask(b"set job:%d 0 0 1\r\n1\r\n" % i)
        job = client.ask(b"batch run agg:count prefix=job: wait=20000\r\n").split()[1]
        self.assertIn(b'{"count":20}', client.ask(b"batch get %s\r\n" % job))
        self.assertTrue(client.ask(b"stats conns\r\n").endswith(b"END\r\n"))
        self.assertTrue(client.ask(b"stats batch\r\n").endswith(b"END\r\n"))

    def test_what_is_no_request_is_dropped_and_nothing_is_completed_by_another(self):
        server, port = self.serve(reactors=1)
        client, other = self.client(port), self.client(port)
        for raw in (b"", b"\0", b"\0\1\0\0\0\1\0\0", os.urandom(7)):
            client.socket.send(raw)
        client.send(b"set a 0 0 3\r\nabc\r\n", total=2)
        client.send(b"set a 0 0 3\r\nabc\r\n", total=0)
        client.send(b"set a 0 0 3\r\n")
        other.send(b"abc\r\nset b 0 0 1\r\nx\r\n", request=7)
        self.assertEqual(other.message(7), b"ERROR\r\nSTORED\r\n")
        client.send(b"get a")
        client.send(packet(0x01, b"a", b"value", bytes(8))[:-1])
        client.socket.send(HEADER.pack(9, 0, 1, 0) + b"get a b\r\n")
        self.assertEqual(client.message(9), b"VALUE b 0 1\r\nx\r\nEND\r\n")
        with server.connect() as connection:
            self.assertEqual(connection.get(b"a"), None)

    def test_a_flood_is_survived(self):
        server, port = self.serve(reactors=1)
        flood, client = self.client(port), self.client(port)
        before = server.resident_bytes()
        for _ in range(20_000):
            flood.send(b"batch wait nothing\r\nget a b c d\r\n" * 4)

        def answered():
            client.send(b"version\r\n", request=3)
            client.socket.settimeout(0.2)
            try:
                return client.receive()[3].startswith(b"VERSION")
            except TimeoutError:
                return False
        self.assertTrue(harness.wait_for(answered))
        self.assertLess(server.resident_bytes() - before, 64 << 20)

    def test_both_families_and_the_port_file(self):
        """Free ports, which the file tells."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ports")
            command = [harness.program("SHARDMILL"), "-p", "-1", "-U", "-1", "-t", "2", *harness.AS_ME]
            process = subprocess.Popen(command, env={**os.environ, "MEMCACHED_PORT_FILENAME": path})
            try:
                self.assertTrue(harness.wait_for(lambda: os.path.exists(path)))
                with open(path, encoding="ascii") as file:
                    ports = dict(line.split(": ") for line in file.read().splitlines())
                self.assertEqual(self.client(int(ports["UDP INET"])).ask(b"mn\r\n"), b"MN\r\n")
                if "UDP INET6" in ports:
                    self.assertEqual(ports["UDP INET6"], ports["UDP INET"])
                    self.assertEqual(self.client(int(ports["UDP INET6"]), "::1").ask(b"mn\r\n"), b"MN\r\n")
            finally:
                process.terminate()
                self.assertEqual(process.wait(timeout=60), 0)

    def test_listeners_are_shown(self):
        server, port = self.serve()
        with server.connect() as connection:
            self.assertIn(f"udp:127.0.0.1:{port}", connection.stats("conns").values())
            self.assertEqual(connection.stats("settings")["udpport"], str(port))

    def test_udp_is_refused_where_it_would_go_round_authentication(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("a:b\n")
            file.flush()
            for options in (("-S",), ("-Y", file.name)):
                done = harness.run(harness.program("SHARDMILL"), "-U", "11211", *options, *harness.AS_ME, timeout=60)
                self.assertEqual(done.returncode, 64, done.stderr)


class StrangerTest(UdpCase):
    """Loopback is not trusted here: nobody gets more than he has sent."""

    def test_no_reply_is_longer_than_its_request(self):
        server, port = self.serve(extended=("udp_trusted=192.0.2.0/24;2001:db8::/32",))
        client = self.client(port)
        with server.connect() as connection:
            connection.set(b"long", b"x" * 5000)
            connection.set(b"s", b"1")
        requests = (b"get long\r\n", b"get s\r\n", b"stats\r\n", b"version\r\n", b"gets " + b"s " * 700 + b"\r\n",
                    b"lru_crawler metadump all\r\n", b"batch kernels\r\n", b"mg long v\r\n",
                    packet(0x00, b"long"), packet(0x10), packet(0x0b))
        received = [0] * len(requests)
        fence = len(requests)
        for number, request in enumerate(requests):
            client.send(request, request=number)
            client.send(b"mn\r\n", request=fence)
            # What is answered by another thread may come behind the fence.
            while (reply := client.receive())[0] != fence:
                received[reply[0]] += HEADER.size + len(reply[3])
        for request, bytes_received in zip(requests, received):
            self.assertLessEqual(bytes_received, HEADER.size + len(request), request[:20])
        client = self.client(port)
        self.assertEqual(client.ask(b"get " + b"k" * 30 + b" long\r\n"), b"SERVER_ERROR too long\r\n")
        with server.connect() as connection:
            figures = connection.stats("udp")
            self.assertGreater(int(figures["udp_refused"]), 0)
            self.assertGreaterEqual(int(figures["udp_requests"]), 20)
        bare = client.ask(packet(0x00, b"long", opaque=7))
        self.assertEqual(bare, struct.pack(">BBHBBHIIQ", 0x81, 0, 0, 0, 0, 3, 0, 7, 0))

    def test_another_network_namespace_is_a_stranger(self):
        """A peer behind a real interface, with the defaults: only loopback is trusted."""
        name = f"shardmill-{os.getpid()}"
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False) \
            if os.geteuid() == 0 and os.path.exists("/usr/sbin/ip") else None
        if made is None or made.returncode != 0:
            self.skipTest("this machine gives us no second network namespace")
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name], check=False)
        here, there = f"smh{os.getpid() % 100000}", f"smt{os.getpid() % 100000}"
        steps = (f"link add {here} type veth peer name {there} netns {name}", f"addr add 198.51.100.1/30 dev {here}",
                 f"link set {here} up", f"-n {name} addr add 198.51.100.2/30 dev {there}",
                 f"-n {name} link set {there} up")
        for step in steps:
            subprocess.run(["ip", *step.split()], check=True)
        port = free_udp_port()
        server = harness.Server("-U", str(port), "-l", "198.51.100.1")
        self.enterContext(server)
        with server.connect() as connection:
            connection.set(b"long", b"x" * 5000)
        asked = "import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)\n" \
                f"s.connect(('198.51.100.1', {port}))\n" \
                "s.send(bytes([0,1,0,0,0,1,0,0]) + b'get ' + b'k' * 30 + b' long\\r\\n'); print(s.recv(2000)[8:])"
        done = harness.run("ip", "netns", "exec", name, "/usr/bin/python3", "-c", asked)
        self.assertEqual(done.stdout.strip(), r"b'SERVER_ERROR too long\r\n'", done.stderr)


if __name__ == "__main__":
    unittest.main()
