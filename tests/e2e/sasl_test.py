"""Logging in to the binary protocol (-S): Cyrus SASL, configured as for memcached."""

import base64
import hashlib
import hmac
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import unittest
from unittest import mock

import harness

VERSION, NOOP, GET, SET, QUIT = 0x0B, 0x0A, 0x00, 0x01, 0x07
LIST, AUTH, STEP = 0x20, 0x21, 0x22
OK, ERROR, CONTINUE = 0, 0x20, 0x21
HEADER = struct.Struct(">BBHBBHIIQ")


def packet(opcode, key=b"", value=b"", extras=b"", opaque=0):
    body = extras + key + value
    return HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque, 0) + body


class Session:
    def __init__(self, connection):
        self.connection = connection

    def reply(self):
        """(opcode, status, body)"""
        magic, opcode, _, _, _, status, size, _, _ = HEADER.unpack(self.connection.exactly(HEADER.size))
        assert magic == 0x81
        return opcode, status, self.connection.exactly(size)

    def ask(self, opcode, key=b"", value=b"", **rest):
        self.connection.send(packet(opcode, key, value, **rest))
        answered, status, body = self.reply()
        assert answered == opcode, (answered, opcode)
        return status, body

    def plain(self, user, password):
        return self.ask(AUTH, b"PLAIN", b"\0" + user + b"\0" + password)

    def cram_md5(self, user, password):
        status, challenge = self.ask(AUTH, b"CRAM-MD5")
        assert status == CONTINUE and challenge.startswith(b"<"), (status, challenge)
        digest = hmac.new(password, challenge, hashlib.md5).hexdigest().encode()
        return self.ask(STEP, b"CRAM-MD5", user + b" " + digest)

    def scram_sha_1(self, user, password):
        first = b"n=" + user + b",r=" + base64.b64encode(os.urandom(18))
        status, server_first = self.ask(AUTH, b"SCRAM-SHA-1", b"n,," + first)
        if status != CONTINUE:  # nobody of that name
            return status, server_first
        fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
        salted = hashlib.pbkdf2_hmac("sha1", password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha1")
        final = b"c=biws,r=" + fields[b"r"]
        signature = hmac.digest(hashlib.sha1(client_key).digest(), b",".join((first, server_first, final)), "sha1")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature)))
        status, body = self.ask(STEP, b"SCRAM-SHA-1", final + b",p=" + proof)
        if status == CONTINUE:  # the server's own proof
            status, body = self.ask(STEP, b"SCRAM-SHA-1", b"")
        return status, body


class SaslCase(unittest.TestCase):
    """A server with a user database of its own."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="shardmill-sasl-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.add_users()
        with mock.patch.dict(os.environ, cls.environment()):
            cls.server = harness.Server("-S")
            cls.enterClassContext(cls.server)

    @classmethod
    def configure(cls, text):
        with open(os.path.join(cls.directory, "memcached.conf"), "w", encoding="ascii") as file:
            file.write(text)

    @classmethod
    def add_users(cls):
        database = os.path.join(cls.directory, "sasldb2")
        cls.configure(f"mech_list: plain cram-md5 scram-sha-1\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                      f"sasldb_path: {database}\n")
        command = ["saslpasswd2", "-a", "memcached", "-c", "-p", "-f", database, "-u", socket.gethostname(), "anna"]
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        subprocess.run(command, input=b"secret", check=True, env={**os.environ, "PATH": path})

    @classmethod
    def environment(cls):
        return {"SASL_CONF_PATH": cls.directory}

    def session(self):
        connection = self.server.connect()
        self.addCleanup(connection.close)
        return Session(connection)

    def assert_in(self, session):
        self.assertEqual(session.ask(SET, b"k", b"v", extras=bytes(8))[0], OK)
        self.assertEqual(session.ask(GET, b"k")[1], b"\0\0\0\0v")

    def assert_out(self, session, request=None):
        session.connection.send(request or packet(NOOP))
        self.assertEqual(session.reply()[1:], (ERROR, b"Auth failure."))
        self.assertEqual(session.connection.rest(), b"")


class SaslTest(SaslCase):
    def test_mechanisms_are_listed(self):
        status, body = self.session().ask(LIST)
        self.assertEqual(status, OK)
        self.assertEqual(set(body.split()), {b"PLAIN", b"CRAM-MD5", b"SCRAM-SHA-1"})

    def test_every_mechanism_lets_the_right_password_in(self):
        for name in ("plain", "cram_md5", "scram_sha_1"):
            with self.subTest(mechanism=name):
                session = self.session()
                self.assertEqual(getattr(session, name)(b"anna", b"secret"), (OK, b"Authenticated"))
                self.assert_in(session)

    def test_every_mechanism_keeps_others_out_and_lets_them_try_again(self):
        for name in ("plain", "cram_md5", "scram_sha_1"):
            with self.subTest(mechanism=name):
                session = self.session()
                for user, password in ((b"anna", b"wrong"), (b"nobody", b"secret")):
                    self.assertEqual(getattr(session, name)(user, password), (ERROR, b"Auth failure."))
                self.assertEqual(getattr(session, name)(b"anna", b"secret")[0], OK)
                self.assert_in(session)

    def test_nothing_but_sasl_and_version_before(self):
        self.assertEqual(self.session().ask(VERSION)[0], OK)
        huge = HEADER.pack(0x80, SET, 1, 8, 0, 0, 1_000_000, 0, 0) + bytes(8) + b"k"
        for request in (packet(NOOP), packet(GET, b"k"), packet(0x09, b"k"), packet(SET, b"k", b"v", bytes(8)), huge,
                        packet(0x10), packet(QUIT), packet(0x08), packet(0xB0, value=b"batch list"),
                        packet(0xB0, value=b"batch run delete"), packet(SET, b"~b/run/x", b"delete", bytes(8)), packet(0xEE),
                        packet(GET)):
            with self.subTest(request=request[:2]):
                self.assert_out(self.session(), request)
        for text in (b"version\r\n", b"get k\r\n"):
            session = self.session()
            session.connection.send(text)
            self.assertEqual(session.connection.rest(), b"")

    def test_a_login_is_judged_in_order_split_at_every_byte(self):
        sent = packet(VERSION) + packet(AUTH, b"PLAIN", b"\0anna\0nope") + packet(AUTH, b"PLAIN", b"\0anna\0secret") + \
            packet(SET, b"k", b"v", bytes(8)) + packet(GET, b"k") + packet(QUIT)
        wanted = [(VERSION, OK), (AUTH, ERROR), (AUTH, OK), (SET, OK), (GET, OK), (QUIT, OK)]
        for cut in [0, *range(1, len(sent), 3)]:
            session = self.session()
            session.connection.send(sent[:cut])
            session.connection.send(sent[cut:])
            self.assertEqual([session.reply()[:2] for _ in wanted], wanted, cut)
            session.connection.close()

    def test_steps_without_an_exchange_fail(self):
        session = self.session()
        self.assertEqual(session.ask(STEP, b"PLAIN", b"\0anna\0secret")[0], ERROR)
        self.assertEqual(session.ask(AUTH, b"NONSENSE", b"x")[0], ERROR)
        self.assertEqual(session.ask(AUTH, b"x" * 33, b"x"), (4, b"Invalid arguments"))
        self.assertEqual(session.ask(AUTH, b"PLAIN", b"x" * 70_000)[0], 0x82)
        self.assertEqual(session.ask(AUTH, b"CRAM-MD5")[0], CONTINUE)
        self.assertEqual(session.plain(b"anna", b"secret")[0], OK)
        self.assertEqual(session.ask(STEP, b"CRAM-MD5", b"anna 00")[0], ERROR)
        self.assert_out(session)

    def test_a_failed_second_login_ends_the_first(self):
        session = self.session()
        self.assertEqual(session.plain(b"anna", b"secret")[0], OK)
        self.assertEqual(session.ask(LIST)[0], OK)
        self.assert_in(session)
        self.assertEqual(session.plain(b"anna", b"secret")[0], OK)
        self.assert_in(session)
        self.assertEqual(session.plain(b"anna", b"wrong")[0], ERROR)
        self.assert_out(session)

    def test_exchanges_side_by_side_and_clients_that_vanish_in_one(self):
        failures = []

        def log_in():
            try:
                for _ in range(10):
                    with self.server.connect() as gone:
                        Session(gone).ask(AUTH, b"CRAM-MD5")
                    with self.server.connect() as connection:
                        session = Session(connection)
                        if session.cram_md5(b"anna", b"secret")[0] != OK or session.ask(NOOP)[0] != OK:
                            failures.append("not let in")
            except (OSError, EOFError, AssertionError) as error:
                failures.append(repr(error))
        threads = [threading.Thread(target=log_in) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_attempts_are_counted(self):
        session = self.session()
        session.plain(b"anna", b"secret")
        before = self.figures(session)
        session.plain(b"anna", b"wrong")
        session.plain(b"anna", b"secret")
        session.ask(AUTH, b"CRAM-MD5")  # has not come to an end
        session.plain(b"anna", b"secret")
        after = self.figures(session)
        self.assertEqual((after[0] - before[0], after[1] - before[1]), (3, 1))

    def figures(self, session):
        session.connection.send(packet(0x10))
        values = {}
        while True:
            magic, _, key, _, _, _, size, _, _ = HEADER.unpack(session.connection.exactly(HEADER.size))
            assert magic == 0x81
            if size == 0:
                return int(values[b"auth_cmds"]), int(values[b"auth_errors"])
            body = session.connection.exactly(size)
            values[body[:key]] = body[key:]


class ClientsTest(SaslCase):
    def test_pylibmc(self):
        script = "import pylibmc, sys\n" \
                 "client = pylibmc.Client([sys.argv[1]], binary=True, username='anna', password=sys.argv[2])\n" \
                 "client.set('p', 'value'); print(client.get('p'))\n"
        done = harness.run("/usr/bin/python3", "-c", script, self.server.name, "secret")
        self.assertEqual(done.stdout, "value\n", done.stderr)
        self.assertNotEqual(harness.run("/usr/bin/python3", "-c", script, self.server.name, "wrong").returncode, 0)

    def test_php(self):
        script = "$c = new Memcached(); $c->setOption(Memcached::OPT_BINARY_PROTOCOL, true);" \
                 "$c->setSaslAuthData('anna', $argv[3]); $c->addServer($argv[1], (int)$argv[2]);" \
                 "exit($c->set('h', 'x') && $c->get('h') === 'x' ? 0 : 1);"
        host, port = self.server.address
        for password, code in (("secret", 0), ("wrong", 1)):
            done = harness.run("php", "-r", script, "--", host, str(port), password)
            self.assertEqual(done.returncode, code, done.stderr + done.stdout)


class ConfigurationFileTest(SaslCase):
    """SASL_CONF_PATH may name the file itself."""

    @classmethod
    def environment(cls):
        return {"SASL_CONF_PATH": os.path.join(cls.directory, "memcached.conf")}

    def test_it_is_found(self):
        session = self.session()
        self.assertEqual(session.plain(b"anna", b"secret")[0], OK)
        self.assert_in(session)


class PasswordFileTest(SaslCase):
    USERS = f"bert:pass:word\nanna:secret:more\r\nemil@{socket.gethostname()}:realm\ncarl:last"

    @classmethod
    def add_users(cls):
        cls.configure("mech_list: plain\n")
        cls.write_users(cls.USERS)

    @classmethod
    def write_users(cls, text):
        with open(os.path.join(cls.directory, "users"), "w", encoding="ascii", newline="") as file:
            file.write(text)

    @classmethod
    def environment(cls):
        return {"SASL_CONF_PATH": cls.directory, "MEMCACHED_SASL_PWDB": os.path.join(cls.directory, "users")}

    def test_its_users_are_let_in(self):
        for user, password in ((b"anna", b"secret"), (b"bert", b"pass"), (b"bert", b"pass:word"), (b"carl", b"last"),
                               (b"emil", b"realm")):
            with self.subTest(user=user, password=password):
                session = self.session()
                self.assertEqual(session.plain(user, password), (OK, b"Authenticated"))
                self.assert_in(session)
        for user, password in ((b"anna", b"secre"), (b"anna", b"secrets"), (b"ann", b"secret"), (b"anna:secret", b"more"),
                               (b"carl", b"las"), (b"", b"x")):
            with self.subTest(user=user, password=password):
                self.assertEqual(self.session().plain(user, password)[0], ERROR)

    def test_it_is_read_at_every_login(self):
        self.addCleanup(self.write_users, self.USERS)
        self.write_users("dora:new\n")
        self.assertEqual(self.session().plain(b"dora", b"new")[0], OK)
        self.assertEqual(self.session().plain(b"anna", b"secret")[0], ERROR)
        os.remove(os.path.join(self.directory, "users"))
        self.assertEqual(self.session().plain(b"dora", b"new")[0], ERROR)


class StartTest(unittest.TestCase):
    def test_without_a_configuration_it_is_refused(self):
        if any(os.path.exists(f"/etc/{place}/memcached.conf") for place in ("sasl", "sasl2")):
            self.skipTest("this machine has a configuration of its own for memcached's SASL")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SASL_", "MEMCACHED_"))}
        done = harness.run(harness.program("SHARDMILL"), "-S", *harness.AS_ME, "-p", str(harness.free_port()),
                           env=environment)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("SASL_CONF_PATH", done.stderr)

    def test_other_protocols_are_refused(self):
        for protocol in ("ascii", "auto"):
            done = harness.run(harness.program("SHARDMILL"), "-S", "-B", protocol, *harness.AS_ME)
            self.assertEqual(done.returncode, 64, done.stderr)


if __name__ == "__main__":
    unittest.main()
