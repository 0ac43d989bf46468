"""Secured connections: handshakes of Python's ssl module with certificates made for the test."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

import harness

EXIT_USAGE = 64


class Certificates:
    """A directory of certificates: an authority, a server and a client it vouches for, and a stranger."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="shardmill-e2e-tls-")
        self.issue("ca", "authority", issuer=None)
        self.issue("server", "first")
        self.issue("client", "client")
        self.issue("stranger", "stranger", issuer=None)

    def path(self, name):
        return os.path.join(self.directory, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory, timeout=60)

    def issue(self, name, subject, issuer="ca"):
        """<name>.crt and <name>.key, replacing what was there at once."""
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "new.key"]
        if issuer is None:
            self.openssl("req", "-x509", *key, "-out", "new.crt", "-days", "2", "-subj", f"/CN={subject}")
        else:
            self.openssl("req", *key, "-out", "new.csr", "-subj", f"/CN={subject}")
            self.openssl("x509", "-req", "-in", "new.csr", "-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key",
                         "-CAcreateserial", "-out", "new.crt", "-days", "2")
        os.rename(self.path("new.key"), self.path(f"{name}.key"))
        os.rename(self.path("new.crt"), self.path(f"{name}.crt"))

    def client_context(self, name=None, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.path("ca.crt"))
        context.check_hostname = False
        if name:
            context.load_cert_chain(self.path(f"{name}.crt"), self.path(f"{name}.key"))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def options(self, *more):
        return ("-Z", "-o", ",".join((f"ssl_chain_cert={self.path('server.crt')}", f"ssl_key={self.path('server.key')}",
                                      f"ssl_ca_cert={self.path('ca.crt')}", *more)))

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class SecuredConnection(harness.Connection):
    """The same as a plain one, once the handshake is through."""

    def __init__(self, address, context, session=None):
        super().__init__(address)
        self.socket = context.wrap_socket(self.socket, session=session)

    def server_name(self):
        return dict(pair for name in self.socket.getpeercert()["subject"] for pair in name)["commonName"]


class TlsCase(unittest.TestCase):
    def setUp(self):
        self.certificates = Certificates()
        self.addCleanup(self.certificates.remove)

    def connect(self, server, name=None, port=None, version=None, session=None):
        address = ("127.0.0.1", port or server.port)
        connection = SecuredConnection(address, self.certificates.client_context(name, version), session)
        self.addCleanup(connection.close)
        return connection

    def refused(self, server, name=None, port=None, version=None):
        """With TLS 1.3 the client's side is through before the server has looked at its certificate."""
        try:
            connection = self.connect(server, name, port, version)
            connection.send(b"mn\r\nquit\r\n")
            return connection.rest() == b""
        except (ssl.SSLError, ConnectionError):
            return True


class ServingTest(TlsCase):
    def test_clients_do_their_whole_round(self):
        for reactors in (1, 4):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(reactors=reactors, version=version), \
                        harness.Server(*self.certificates.options(), reactors=reactors) as server:
                    client = self.connect(server, version=version)
                    self.assertEqual(client.server_name(), "first")
                    for size in (0, 1, 5000, 100_000, 1_000_000):
                        value = os.urandom(size)
                        self.assertEqual(client.set(b"k", value), b"STORED")
                        self.assertEqual(client.get(b"k"), value)
                    client.send(b"set a 0 0 1\r\nx\r\n" + b"get a\r\n" * 5000 + b"mn\r\n")
                    self.assertEqual(client.line(), b"STORED")
                    one = b"VALUE a 0 1\r\nx\r\nEND\r\n"
                    self.assertEqual(client.exactly(5000 * len(one)), 5000 * one)
                    self.assertEqual(client.line(), b"MN")
                    client.send(b"quit\r\n")
                    # An end without goodbye would be an error here.
                    self.assertEqual(client.socket.recv(1), b"")

    def test_input_cut_at_every_byte_is_understood(self):
        with harness.Server(*self.certificates.options()) as server:
            client = self.connect(server)
            request = b"set a 0 0 3\r\nabc\r\nget a\r\nmg a v\r\nmn\r\n"
            expected = b"STORED\r\nVALUE a 0 3\r\nabc\r\nEND\r\nVA 3\r\nabc\r\nMN\r\n"
            for byte in request:  # each a record of its own
                client.send(bytes([byte]))
            self.assertEqual(client.exactly(len(expected)), expected)
            for cut in range(1, len(request)):
                client.send(request[:cut])
                client.send(request[cut:])
                self.assertEqual(client.exactly(len(expected)), expected, cut)

    def test_the_binary_protocol_is_spoken_too(self):
        with harness.Server(*self.certificates.options()) as server:
            client = self.connect(server)
            client.send(b"\x80\x0b" + bytes(22))
            head = client.exactly(24)
            self.assertEqual(head[:2], b"\x81\x0b")
            self.assertEqual(client.exactly(int.from_bytes(head[8:12], "big")), b"1.6.45")

    def test_sessions_are_resumed(self):
        for options in ((), ("ssl_session_cache",)):
            with self.subTest(options=options), harness.Server(*self.certificates.options(*options)) as server:
                context = self.certificates.client_context(version=ssl.TLSVersion.TLSv1_2)
                if options:  # the server has to remember what the client has no ticket for
                    context.options |= ssl.OP_NO_TICKET
                address = ("127.0.0.1", server.port)
                with SecuredConnection(address, context) as first:
                    self.assertEqual(first.ask("mn"), "MN")
                    session = first.socket.session
                with SecuredConnection(address, context, session) as second:
                    self.assertTrue(second.socket.session_reused)
                    stats = second.stats()
                self.assertEqual("ssl_new_sessions" in stats, bool(options))
                if options:
                    self.assertEqual(stats["ssl_new_sessions"], "1")

    def test_what_is_no_handshake_is_counted_and_closed(self):
        with harness.Server(*self.certificates.options(), "-v") as server:
            client = self.connect(server)
            for said in (b"version\r\n", b"\x80\x0b" + bytes(22), os.urandom(1000), b"\x16\x03\x01\xff\xff" + bytes(2000)):
                before = int(client.stats()["ssl_handshake_errors"])
                with server.connect() as plain:
                    plain.send(said)
                    self.assertNotIn(b"VERSION", plain.rest())
                self.assertEqual(int(client.stats()["ssl_handshake_errors"]), before + 1, said[:10])
            self.assertIn("TLS failed on connection", server.text())
            self.assertEqual(client.ask("mn"), "MN")

    def test_clients_that_stop_halfway_hold_nothing(self):
        with harness.Server(*self.certificates.options()) as server:
            client = self.connect(server)

            def alone():
                return client.stats()["curr_connections"] == "1"

            self.assertTrue(harness.wait_for(alone))  # the connection that waited for the start is gone
            files, total = server.open_files(), int(client.stats()["total_connections"])
            outgoing = ssl.MemoryBIO()
            half = self.certificates.client_context().wrap_bio(ssl.MemoryBIO(), outgoing)
            with self.assertRaises(ssl.SSLWantReadError):
                half.do_handshake()
            hello = outgoing.read()
            for cut in (1, 5, 6, len(hello) // 2, len(hello)):
                with server.connect() as plain:
                    plain.send(hello[:cut])
            self.assertTrue(harness.wait_for(lambda: int(client.stats()["total_connections"]) == total + 5))
            self.assertTrue(harness.wait_for(alone))
            self.assertEqual(server.open_files(), files)

    def test_versions_and_ciphers_are_those_that_are_allowed(self):
        with harness.Server(*self.certificates.options("ssl_min_version=3")) as server:
            self.assertTrue(self.refused(server, version=ssl.TLSVersion.TLSv1_2))
            self.assertFalse(self.refused(server, version=ssl.TLSVersion.TLSv1_3))


class ListenersTest(TlsCase):
    def test_each_listener_has_its_own_rule(self):
        plain, mutual, free = harness.free_port(), harness.free_port(), harness.free_port()
        listen = f"notls:127.0.0.1:{plain},mtls:127.0.0.1:{mutual},btls:127.0.0.1:{free}"
        with harness.Server("-l", listen, *self.certificates.options("ssl_verify_mode=1")) as server:
            with harness.Connection(("127.0.0.1", plain)) as client:
                self.assertEqual(client.set(b"a", b"1"), b"STORED")
            for name, port, allowed in (
                    ("client", mutual, True), (None, mutual, False), ("stranger", mutual, False),
                    (None, server.port, True), ("client", server.port, True), ("stranger", server.port, False),
                    (None, free, True), ("stranger", free, True)):
                with self.subTest(name=name, port=port):
                    if allowed:
                        self.assertEqual(self.connect(server, name, port).get(b"a"), b"1")
                    else:
                        self.assertTrue(self.refused(server, name, port))

    def test_a_session_opens_no_other_door(self):
        mutual = harness.free_port()
        options = self.certificates.options("ssl_session_cache")
        with harness.Server("-l", f"mtls:127.0.0.1:{mutual}", *options) as server:
            context = self.certificates.client_context(version=ssl.TLSVersion.TLSv1_2)
            with SecuredConnection(("127.0.0.1", server.port), context) as first:
                self.assertEqual(first.ask("mn"), "MN")
                session = first.socket.session
            with self.assertRaises(ssl.SSLError):
                SecuredConnection(("127.0.0.1", mutual), context, session)

    def test_required_certificates(self):
        for mode in (2, 3):
            with self.subTest(mode=mode), \
                    harness.Server(*self.certificates.options(f"ssl_verify_mode={mode}")) as server:
                self.assertEqual(self.connect(server, "client").ask("mn"), "MN")
                self.assertTrue(self.refused(server))
                self.assertTrue(self.refused(server, "stranger"))


class RefreshTest(TlsCase):
    def name_of_new(self, server):
        with SecuredConnection(server.address, self.certificates.client_context()) as client:
            return client.server_name()

    def test_the_command_loads_what_has_changed(self):
        with harness.Server(*self.certificates.options(), reactors=4) as server:
            old = self.connect(server)
            self.certificates.issue("server", "second")
            self.assertEqual(self.name_of_new(server), "first")
            self.assertTrue(harness.wait_for(lambda: old.stats()["time_since_server_cert_refresh"] != "0"))
            self.assertEqual(old.ask("refresh_certs"), "OK")
            self.assertIn(old.stats()["time_since_server_cert_refresh"], ("0", "1"))
            for _ in range(8):  # on every reactor
                self.assertEqual(self.name_of_new(server), "second")
            self.assertEqual(old.ask("mn"), "MN")

    def test_files_that_are_no_good_change_nothing(self):
        with harness.Server(*self.certificates.options()) as server:
            client = self.connect(server)
            path = self.certificates.path("server.crt")
            os.rename(path, path + ".away")
            answer = client.ask("refresh_certs")
            self.assertTrue(answer.startswith("Error"), answer)
            self.assertIn(path, answer)
            with open(path, "w", encoding="ascii") as file:
                file.write("no certificate\n")
            self.assertTrue(client.ask("refresh_certs").startswith("Error"))
            shutil.copy(self.certificates.path("stranger.crt"), path)  # and the key is another's
            self.assertTrue(client.ask("refresh_certs").startswith("Error"))
            self.assertEqual(self.name_of_new(server), "first")
            os.rename(path + ".away", path)
            self.assertEqual(client.ask("refresh_certs"), "OK")

    def test_hangup_loads_what_has_changed(self):
        with harness.Server(*self.certificates.options(), "-v") as server:
            old = self.connect(server)
            self.certificates.issue("server", "second")
            os.kill(server.pid, signal.SIGHUP)
            self.assertTrue(harness.wait_for(lambda: self.name_of_new(server) == "second"))
            os.remove(self.certificates.path("server.key"))
            os.kill(server.pid, signal.SIGHUP)
            self.assertTrue(harness.wait_for(lambda: self.certificates.path("server.key") in server.text()))
            self.assertEqual(self.name_of_new(server), "second")
            self.assertEqual(old.ask("mn"), "MN")

    def test_without_tls_there_is_nothing_to_load(self):
        with harness.Server() as server, server.connect() as client:
            self.assertEqual(client.ask("refresh_certs"), "Error TLS not enabled")
            self.assertEqual(client.ask("mn"), "MN")


class RefusedStartTest(TlsCase):
    def refused_start(self, *options):
        done = harness.run(harness.program("SHARDMILL"), "-l", "127.0.0.1", "-p", str(harness.free_port()),
                           *harness.AS_ME, *options, timeout=60)
        self.assertEqual(done.returncode, EXIT_USAGE, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return done.stderr

    def test_wrong_files_are_named(self):
        path = self.certificates.path
        with open(path("garbage"), "wb") as file:
            file.write(os.urandom(2000))
        good = {"ssl_chain_cert": path("server.crt"), "ssl_key": path("server.key")}
        for wrong, named in (({"ssl_chain_cert": path("none.crt")}, "none.crt"), ({"ssl_key": path("none.key")}, "none.key"),
                             ({"ssl_chain_cert": path("garbage")}, "garbage"), ({"ssl_key": path("garbage")}, "garbage"),
                             ({"ssl_key": path("client.key")}, ""), ({"ssl_ca_cert": path("none.pem")}, "none.pem"),
                             ({"ssl_ciphers": "nonsense"}, "nonsense"), ({"ssl_keyformat": "2"}, "server.key")):
            with self.subTest(wrong=wrong):
                options = ",".join(f"{name}={value}" for name, value in (good | wrong).items())
                text = self.refused_start("-Z", "-o", options)
                self.assertIn("Error", text)
                self.assertIn(named, text)


if __name__ == "__main__":
    unittest.main()
