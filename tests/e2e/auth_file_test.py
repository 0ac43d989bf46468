"""Logging in to the text protocol (-Y)."""

import os
import signal
import tempfile
import unittest

import harness

UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"
FAILURE = b"CLIENT_ERROR authentication failure\r\n"


def login(token):
    return b"set any 0 0 %d\r\n%s\r\n" % (len(token), token)


class AuthFileCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = os.path.join(directory.name, "users")
        self.write("anna:secret\nbert:pass word\n")

    def write(self, text):
        with open(self.path, "w", encoding="ascii") as file:
            file.write(text)

    def serve(self, *options, **settings):
        server = harness.Server("-Y", self.path, *options, **settings)
        self.enterContext(server)
        return server

    def connect(self, server):
        connection = server.connect()
        self.addCleanup(connection.close)
        return connection


class LoginTest(AuthFileCase):
    def test_the_first_command_is_a_login(self):
        for settings in ({"reactors": 1}, {"reactors": 4}, {"unix": os.path.join(self.directory, "socket")}):
            with self.subTest(**settings):
                server = self.serve(**settings)
                connection = self.connect(server)
                for line in (b"get a\r\n", b"version\r\n", b"stats\r\n", b"batch list\r\n", b"snapshot list\r\n",
                             b"flush_all\r\n", b"shutdown\r\n", b"refresh_certs\r\n", b"watch\r\n", b"mg a v\r\n",
                             b"GET / HTTP/1.1\r\n"):
                    connection.expect(self, line, UNAUTHENTICATED)
                connection.expect(self, login(b"anna wrong"), FAILURE)
                connection.expect(self, login(b"anna"), b"CLIENT_ERROR bad authentication token format\r\n")
                connection.expect(self, b"set a 0 0 3\r\na bxx", b"CLIENT_ERROR bad command line termination\r\n")
                connection.expect(self, b"set a 0 0 20000\r\n", b"CLIENT_ERROR auth token too long\r\n")
                connection.expect(self, login(b"bert pass word") + b"get any\r\n", b"STORED\r\nEND\r\n")
                values = connection.stats()
                self.assertEqual((values["auth_cmds"], values["auth_errors"]), ("2", "1"))
                self.assertEqual(connection.stats("settings")["auth_enabled_ascii"], self.path)

    def test_jobs_that_act_are_for_those_who_have_logged_in(self):
        server = self.serve()
        owner, stranger = self.connect(server), self.connect(server)
        owner.expect(self, login(b"anna secret") + b"set k 0 0 1\r\nv\r\n", b"STORED\r\nSTORED\r\n")
        for line in (b"batch run delete\r\n", b"batch run touch:-1\r\n", b"batch run copy:'c:'\r\n", b"batch run delete dry=1\r\n",
                     b"batch plan delete\r\n", b"ms ~b/run/x 6\r\n"):
            stranger.expect(self, line, UNAUTHENTICATED)
        stranger.expect(self, b"set ~b/run/x 0 0 6\r\ndelete\r\n", b"CLIENT_ERROR bad authentication token format\r\n")
        self.assertEqual(owner.command("batch list"), ("EN done", []))
        self.assertEqual(owner.get(b"k"), b"v")
        self.assertIn(" acted=1 ", owner.command("batch run delete wait=60000")[0])

    def test_what_cannot_be_a_login_closes(self):
        server = self.serve()
        for sent in (b"quit\r\n", b"mn\r\n", b"\r\n\r\n", b"x" * 2049, b"\x80\x0b" + bytes(22) + b"\n\n\n\n"):
            connection = self.connect(server)
            connection.send(sent)
            self.assertIn(connection.rest(), (b"", UNAUTHENTICATED))

    def test_split_at_every_byte(self):
        server = self.serve()
        sent = b"version\r\n" + login(b"anna nope") + login(b"anna secret") + b"set k 0 0 1\r\nv\r\nget k\r\nquit\r\n"
        wanted = UNAUTHENTICATED + FAILURE + b"STORED\r\nSTORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n"
        for cut in range(1, len(sent)):
            with server.connect() as connection:
                connection.send(sent[:cut])
                connection.send(sent[cut:])
                self.assertEqual(connection.rest(), wanted, cut)
        with server.connect() as connection:
            for index in range(len(sent)):
                connection.send(sent[index:index + 1])
            self.assertEqual(connection.rest(), wanted)


class ReloadTest(AuthFileCase):
    def try_login(self, server, token):
        with server.connect() as connection:
            connection.send(login(token))
            return connection.line() == b"STORED"

    def test_hup_reads_the_file_again_and_a_bad_one_changes_nothing(self):
        server = self.serve("-v")
        old = self.connect(server)
        old.expect(self, login(b"anna secret"), b"STORED\r\n")
        self.write("anna:new\n")
        self.assertFalse(self.try_login(server, b"anna new"))
        server.process.send_signal(signal.SIGHUP)
        self.assertTrue(harness.wait_for(lambda: self.try_login(server, b"anna new")))
        self.assertFalse(self.try_login(server, b"anna secret"))
        self.assertFalse(self.try_login(server, b"bert pass word"))
        old.expect(self, b"mn\r\n", b"MN\r\n")  # who is in stays in
        for number, bad in enumerate(("anna:newer\nno colon\n", None), 1):
            if bad is None:
                os.remove(self.path)
            else:
                self.write(bad)
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(harness.wait_for(lambda: server.text().count("before stay") == number), server.text())
            self.assertTrue(self.try_login(server, b"anna new"))
            self.assertFalse(self.try_login(server, b"anna newer"))


class StartTest(AuthFileCase):
    def refused(self, *options):
        done = harness.run(harness.program("SHARDMILL"), *options, *harness.AS_ME, "-p", str(harness.free_port()),
                           timeout=60)
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def test_a_file_that_cannot_be_used_is_refused(self):
        self.write("anna:secret\nbroken\n")
        done = self.refused("-Y", self.path)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("line 2", done.stderr)
        done = self.refused("-Y", self.path + ".missing")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(self.path + ".missing", done.stderr)

    def test_the_binary_protocol_is_refused(self):
        for protocol in ("binary", "auto"):
            self.assertEqual(self.refused("-Y", self.path, "-B", protocol).returncode, 64)


if __name__ == "__main__":
    unittest.main()
