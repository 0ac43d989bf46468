"""Starting, listening and stopping."""

import ctypes
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

import harness

EXIT_FAILURE = 1
EXIT_USAGE = 64
EXIT_NO_USER = 67
EXIT_OS = 71


def deny_io_uring():
    """In a child before exec: io_uring_setup fails with EPERM, as in a locked-down container."""
    system_call, allow, deny = 425, 0x7FFF0000, 0x00050000 | 1
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in (
        (0x20, 0, 0, 0),            # load the number of the system call
        (0x15, 0, 1, system_call),  # equal: go on, else skip one
        (0x06, 0, 0, deny),
        (0x06, 0, 0, allow),
    ))

    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) != 0:
        os._exit(99)
    if libc.prctl(set_seccomp, filter_mode, ctypes.byref(Filter(4, program)), 0, 0) != 0:
        os._exit(99)


class RefusedStartTest(unittest.TestCase):
    def refused(self, *options, **settings):
        user = [] if "-u" in options else harness.AS_ME
        done = harness.run(harness.program("SHARDMILL"), *options, *user, timeout=60, **settings)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return done

    def test_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = self.refused("-l", "127.0.0.1", "-p", str(port))
            self.assertEqual(done.returncode, EXIT_OS, done.stderr)
            self.assertIn(str(port), done.stderr)
            self.assertIn("in use", done.stderr.lower())

    def test_exit_codes_are_those_of_memcached(self):
        for options, code in (("-p 99999", EXIT_USAGE), ("-p x", EXIT_USAGE), ("-p -2", EXIT_OS),
                              ("-m many", EXIT_USAGE), ("-m 0", EXIT_USAGE), ("-t 0", EXIT_FAILURE),
                              ("-c -5", EXIT_FAILURE), ("-I 1x", EXIT_USAGE), ("-I 600k", EXIT_USAGE),
                              ("-f 1", EXIT_FAILURE), ("-n 0", EXIT_FAILURE), ("-R 0", EXIT_FAILURE),
                              ("-B text", EXIT_USAGE), ("-S -B ascii", EXIT_USAGE), ("-S -U 1", EXIT_USAGE),
                              ("-Y /tmp/x -B binary", EXIT_USAGE), ("-Y /no/such/file", EXIT_FAILURE),
                              ("-Z", EXIT_USAGE), ("-Z -o ssl_chain_cert=/no,ssl_key=/no", EXIT_USAGE),
                              ("-l notls:127.0.0.1", EXIT_OS), ("-l 127.0.0.1:", EXIT_OS),
                              ("-l no.such.host.invalid", EXIT_OS), ("-N 99", EXIT_USAGE),
                              ("-e /no/such/directory/x", EXIT_FAILURE), ("-t", EXIT_FAILURE),
                              ("-o hashpower=11", EXIT_FAILURE), ("-o hot_lru_pct=41", EXIT_USAGE),
                              ("-o slab_chunk_max=300", EXIT_USAGE), ("-o proxy_config=/x", EXIT_FAILURE),
                              ("-o ext_path=/x:1m", EXIT_USAGE), ("-o modern,,modern", EXIT_FAILURE)):
            with self.subTest(options=options):
                done = self.refused(*options.split())
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertTrue(done.stderr.startswith("shardmill: "), done.stderr)

    def test_unknown_options_are_refused(self):
        done = self.refused("--no-such-option")
        self.assertEqual(done.returncode, EXIT_FAILURE, done.stderr)
        self.assertIn("no-such-option", done.stderr)
        done = self.refused("-o", "nonsense=1")
        self.assertIn("nonsense", done.stderr)

    def test_missing_user_is_refused_when_run_as_root(self):
        if os.geteuid() == 0:
            done = self.refused("-u", "no-such-user-here", "-l", "127.0.0.1", "-p", str(harness.free_port()))
            self.assertEqual(done.returncode, EXIT_NO_USER, done.stderr)
            self.assertIn("no-such-user-here", done.stderr)
        else:  # who is not root stays who he is
            with harness.Server("-u", "no-such-user-here") as server:
                self.assertTrue(server.connect().ask("version").startswith("VERSION"))

    def test_root_must_say_that_it_means_it(self):
        if os.geteuid() != 0:
            return  # the rule is for root
        done = harness.run(harness.program("SHARDMILL"), "-l", "127.0.0.1", "-p", str(harness.free_port()), timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("-u", done.stderr)

    def test_missing_snapshot_directory_is_refused(self):
        done = self.refused("-o", "snapshot_dir=/no/such/directory", "-p", str(harness.free_port()))
        self.assertIn("/no/such/directory", done.stderr)

    def test_a_kernel_that_denies_io_uring_is_named(self):
        done = self.refused("-l", "127.0.0.1", "-p", str(harness.free_port()), preexec_fn=deny_io_uring)
        self.assertIn("io_uring", done.stderr)

    @unittest.skipIf(os.environ.get("SHARDMILL_SANITIZED"), "a sanitizer needs more address space than any limit allows")
    def test_too_little_address_space_is_named_whatever_it_is_that_does_not_fit(self):
        def serves(limit):
            process = subprocess.Popen(
                [harness.program("SHARDMILL"), "-v", "-t", "2", "-m", "64", "-l", "127.0.0.1", "-p", "-1", "-U",
                 str(harness.free_port()), *harness.AS_ME], stderr=subprocess.PIPE, text=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            with process:
                said = process.stderr.readline()
                if "serving" in said:
                    process.terminate()
                    return True
                said += process.stderr.read()
            self.assertIn(process.returncode, (EXIT_FAILURE, EXIT_OS), said)
            self.assertRegex(said, r"use fewer|raise|lower|ulimit")
            return False

        too_little, fits, step = 64 << 20, 16 << 30, 4 << 20
        while fits - too_little > step:
            middle = (too_little + fits) // 2
            if serves(middle):
                fits = middle
            else:
                too_little = middle
        for limit in range(fits - 40 * step, fits, step):
            serves(limit)


class InformationTest(unittest.TestCase):
    def test_version_and_help_are_printed(self):
        for option, text in (("-V", "shardmill"), ("-h", "--memory-limit")):
            done = harness.run(harness.program("SHARDMILL"), option)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(text, done.stdout)


    def test_the_probe_tells_whether_the_server_can_run_here(self):
        done = harness.run(harness.program("SHARDMILL"), "--probe")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^multishot-receive +optional +(yes|no) ")
        denied = harness.run(harness.program("SHARDMILL"), "--probe", preexec_fn=deny_io_uring)
        self.assertEqual(denied.returncode, 1)
        self.assertRegex(denied.stdout, r"(?m)^io_uring +required +no +.*io_uring")

    def test_help_has_the_words_that_scripts_look_for(self):
        text = harness.run(harness.program("SHARDMILL"), "-h").stdout
        self.assertNotRegex(text, r"\Amemcached 1\.1\.")
        for word in ("sasl", "ext_path", "enable-ssl", "unix-socket", "no_drop_privileges"):
            self.assertIn(word, text)
        self.assertNotIn("proxy_config", text)

    def test_the_pages_for_operators_have_every_option(self):
        text = harness.run(harness.program("SHARDMILL"), "-h").stdout
        root = pathlib.Path(__file__).parents[2]
        names = re.findall(r"^(-[A-Za-z])\b", text, re.MULTILINE)
        names += re.findall(r"^   (\w+)", text, re.MULTILINE)
        self.assertGreater(len(names), 90)
        for path in ("conf/README.md", "src/protocol/COMPATIBILITY.md"):
            page = root.joinpath(path).read_text(encoding="utf-8")
            for name in names:
                self.assertRegex(page, rf"(?<![\w-]){name}(?!\w)", f"{name} in {path}")

    def test_no_licence_is_claimed(self):
        done = harness.run(harness.program("SHARDMILL"), "-i")
        self.assertEqual(done.returncode, 0)
        self.assertIn("No licence", done.stdout)

    def test_what_has_no_effect_is_said_and_what_promises_too_much_is_warned_of(self):
        with harness.Server("-v", "-f", "1.5", "-m64m", extended=("ext_path=/x:64m", "slab_reassign")) as server:
            text = server.text()
            self.assertIn("warning: -o ext_path", text)
            self.assertIn("warning: -m, --memory-limit: '64m' is read as 64", text)
            self.assertIn("without effect here: -f, --slab-growth-factor 1.5", text)
            self.assertIn("without effect here: -o slab_reassign", text)

    def test_options_reach_the_server(self):
        options = ("-C", "-F", "-R", "7", "-b", "99", "-k", "-L", "-X", "-W")
        with harness.Server(*options, extended=("idle_timeout=9", "no_maxconns_fast")) as server, \
                server.connect() as client:
            settings = client.stats("settings")
            for name, value in (("cas_enabled", "no"), ("flush_enabled", "no"), ("reqs_per_event", "7"),
                                ("tcp_backlog", "99"), ("idle_timeout", "9"), ("maxconns_fast", "no"),
                                ("dump_enabled", "no"), ("inter", "127.0.0.1"),
                                ("tcpport", str(server.port))):
                self.assertEqual(settings[name], value, name)
            self.assertEqual(client.set(b"a", b"1"), b"STORED")
            client.expect(self, b"gets a\r\n", b"VALUE a 0 1 0\r\n1\r\nEND\r\n")
            client.expect(self, b"flush_all\r\n", b"CLIENT_ERROR flush_all not allowed\r\n")


class ListeningTest(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="shardmill-e2e-"))

    def test_unix_socket_serves_and_can_be_opened_again(self):
        path = os.path.join(self.directory, "socket")
        for _ in range(2):
            with harness.Server(unix=path) as server, server.connect() as client:
                self.assertEqual(client.set(b"a", b"1"), b"STORED")
                self.assertEqual(client.get(b"a"), b"1")
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o700)

    def test_several_addresses_serve_the_same_items(self):
        ports = [harness.free_port(), harness.free_port()]
        extra = ",".join(f"127.0.0.1:{port}" for port in ports)
        with harness.Server("-l", extra) as server:
            server.connect().set(b"a", b"1")
            for port in ports:
                with harness.Connection(("127.0.0.1", port)) as client:
                    self.assertEqual(client.get(b"a"), b"1")

    def test_connections_over_the_limit_are_refused(self):
        with harness.Server("-c", "10") as server:
            clients = [server.connect()]
            # The connection that waited for the start is gone.
            self.assertTrue(harness.wait_for(lambda: clients[0].stats()["curr_connections"] == "1"))
            clients += [server.connect() for _ in range(9)]
            for client in clients:
                self.assertTrue(client.ask("version").startswith("VERSION"))
            with server.connect() as refused:
                self.assertEqual(refused.rest(), b"ERROR Too many open connections\r\n")
            clients.pop().close()

            def another_fits():
                with server.connect() as client:
                    client.send(b"version\r\n")
                    return client.rest_line().startswith(b"VERSION")

            self.assertTrue(harness.wait_for(another_fits))
            for client in clients:
                client.close()

    def test_the_port_file_names_a_free_port(self):
        path = os.path.join(self.directory, "ports")
        command = [harness.program("SHARDMILL"), "-l", "127.0.0.1", "-p", "-1", *harness.AS_ME]
        with subprocess.Popen(command, env={**os.environ, "MEMCACHED_PORT_FILENAME": path}) as process:
            try:
                self.assertTrue(harness.wait_for(lambda: os.path.exists(path)))
                with open(path, encoding="ascii") as file:
                    lines = file.read().splitlines()
                self.assertEqual(len(lines), 1)
                self.assertRegex(lines[0], r"\ATCP INET: [0-9]+\Z")
                with harness.Connection(("127.0.0.1", int(lines[0].split()[-1]))) as client:
                    self.assertTrue(client.ask("version").startswith("VERSION"))
                self.assertFalse(os.path.exists(path + ".lck"))
            finally:
                process.terminate()
            self.assertEqual(process.wait(timeout=harness.STOP_SECONDS), 0)

    def test_a_server_without_any_port_runs_and_warns(self):
        path = os.path.join(self.directory, "ports")
        command = [harness.program("SHARDMILL"), "-p", "0", *harness.AS_ME]
        with subprocess.Popen(command, env={**os.environ, "MEMCACHED_PORT_FILENAME": path},
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                self.assertIn("nothing to listen on", process.stderr.readline())
                self.assertTrue(harness.wait_for(lambda: os.path.exists(path)))
                self.assertEqual(os.path.getsize(path), 0)
            finally:
                process.terminate()
            self.assertEqual(process.wait(timeout=harness.STOP_SECONDS), 0)

    def test_without_daemon_the_pid_file_stays(self):
        path = os.path.join(self.directory, "pid")
        with harness.Server("-P", path) as server:
            self.assertTrue(harness.wait_for(lambda: os.path.exists(path)))
            with open(path, encoding="ascii") as file:
                self.assertEqual(int(file.read()), server.pid)
            self.assertEqual(server.stop(), 0)
        self.assertTrue(os.path.exists(path))

    def test_a_pid_file_that_cannot_be_written_keeps_nobody_from_serving(self):
        with harness.Server("-P", "/no/such/directory/pid") as server, server.connect() as client:
            self.assertTrue(client.ask("version").startswith("VERSION"))
            self.assertIn("/no/such/directory/pid", server.text())

    def test_daemon_writes_its_pid_and_stops(self):
        port, path = harness.free_port(), os.path.join(self.directory, "pid")
        done = harness.run(harness.program("SHARDMILL"), "-d", "-P", path, "-l", "127.0.0.1", "-p", str(port),
                           *harness.AS_ME)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(harness.wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > 0))
        with open(path, encoding="ascii") as file:
            pid = int(file.read())
        try:
            def answers():
                try:
                    with harness.Connection(("127.0.0.1", port)) as client:
                        return int(client.stats()["pid"]) == pid
                except OSError:
                    return False

            self.assertTrue(harness.wait_for(answers))
            os.kill(pid, signal.SIGTERM)
            self.assertTrue(harness.wait_for(lambda: not os.path.exists(path)))
            self.assertTrue(harness.wait_for(lambda: not os.path.exists(f"/proc/{pid}")))
        finally:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)


    def test_closed_standard_files_are_nobody_elses(self):
        def close_all():
            for number in (0, 1, 2):
                os.close(number)

        port, path = harness.free_port(), os.path.join(self.directory, "pid")
        command = [harness.program("SHARDMILL"), "-vv", "-P", path, "-l", "127.0.0.1", "-p", str(port), *harness.AS_ME]
        process = subprocess.Popen(command, preexec_fn=close_all)
        try:
            self.assertTrue(harness.wait_for(lambda: os.path.exists(path)))
            for number in (0, 1, 2):
                self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{number}"), "/dev/null")
            with harness.Connection(("127.0.0.1", port)) as client:
                self.assertTrue(client.ask("version").startswith("VERSION"))
        finally:
            process.terminate()
            self.assertEqual(process.wait(timeout=harness.STOP_SECONDS), 0)


class StoppingTest(unittest.TestCase):
    def test_term_and_int_end_the_server_with_clients_connected(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number), harness.Server() as server:
                clients = [server.connect() for _ in range(20)]
                for i, client in enumerate(clients):
                    client.set(b"k%d" % i, b"v")
                clients[0].send(b"set half 0 0 100000\r\nonly a part")
                self.assertEqual(server.stop(number), 0, server.text())
                for client in clients:
                    client.close()

    def test_usr1_stops_gracefully(self):
        with harness.Server() as server:
            client = server.connect()
            client.set(b"a", b"1")
            self.assertEqual(server.stop(signal.SIGUSR1), 0, server.text())
            self.assertIn("Gracefully stopping", server.text())
            client.close()

    def test_hup_and_pipe_end_nothing(self):
        with harness.Server("-v") as server, server.connect() as client:
            client.set(b"a", b"1")
            for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGHUP):
                os.kill(server.pid, number)
            self.assertEqual(client.get(b"a"), b"1")

    def test_the_port_is_free_again_at_once(self):
        port = str(harness.free_port())
        for _ in range(3):
            with harness.Server("-l", f"127.0.0.1:{port}") as server:
                client = harness.Connection(("127.0.0.1", int(port)))
                client.set(b"a", b"1")
                self.assertEqual(server.stop(), 0)
                client.close()

    def test_requests_are_answered_under_load_until_the_end(self):
        with harness.Server() as server:
            load = subprocess.Popen(
                [harness.program("SHARDMILL_BENCH"), "-s", server.name, "-c", "10", "--pipeline", "8",
                 "--duration", "60", "--keys", "1000", "--timeout", "20"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                client = server.connect()
                self.assertTrue(harness.wait_for(lambda: int(client.stats()["cmd_get"]) > 1000))
                client.close()
                self.assertEqual(server.stop(), 0, server.text())
                # The load generator says that its connections went away.
                self.assertEqual(load.wait(timeout=60), 1)
            finally:
                load.kill()
                load.communicate()


class WarmRestartTest(unittest.TestCase):
    """-e: a graceful stop keeps the contents for the next start, and for no other."""

    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="shardmill-e2e-"))
        self.options = ("-A", "-e", os.path.join(self.directory, "memory"))

    def test_usr1_keeps_the_contents_once(self):
        with harness.Server(*self.options) as server, server.connect() as client:
            for i in range(1000):
                client.set(b"k%d" % i, b"v%d" % i)
            self.assertEqual(server.stop(signal.SIGUSR1), 0, server.text())
        with harness.Server(*self.options) as server, server.connect() as client:
            for i in range(1000):
                self.assertEqual(client.get(b"k%d" % i), b"v%d" % i)
            client.set(b"k0", b"newer")
            self.assertEqual(server.stop(signal.SIGTERM), 0, server.text())
        # The contents of before would be out of date: k0 has been changed since.
        with harness.Server(*self.options) as server, server.connect() as client:
            self.assertIsNone(client.get(b"k0"))
            self.assertEqual(client.stats()["curr_items"], "0")

    def test_a_killed_server_leaves_nothing_old(self):
        with harness.Server(*self.options) as server, server.connect() as client:
            client.set(b"a", b"old")
            self.assertEqual(server.stop(signal.SIGUSR1), 0, server.text())
        server = harness.Server(*self.options)
        server.start()
        with server.connect() as client:
            self.assertEqual(client.get(b"a"), b"old")
        server.kill()
        server.output.close()
        with harness.Server(*self.options) as server, server.connect() as client:
            self.assertIsNone(client.get(b"a"))

    def test_the_command_shutdown_graceful_does_the_same(self):
        with harness.Server(*self.options) as server, server.connect() as client:
            client.set(b"a", b"1")
            client.send(b"shutdown graceful\r\n")
            self.assertEqual(server.process.wait(timeout=harness.STOP_SECONDS), 0, server.text())
        with harness.Server(*self.options) as server, server.connect() as client:
            self.assertEqual(client.get(b"a"), b"1")

    def test_what_was_stored_before_the_end_is_kept_under_load(self):
        """Nobody is told STORED for what the next start does not have."""
        with harness.Server(*self.options) as server, server.connect() as client:
            client.set(b"n", b"0")
            stored, wanted = 0, 0
            os.kill(server.pid, signal.SIGUSR1)
            try:
                while client.set(b"n", b"%d" % (wanted := wanted + 1)) == b"STORED":
                    stored = wanted
            except (EOFError, OSError):
                pass  # closed: what was under way may or may not have been stored
            self.assertEqual(server.process.wait(timeout=harness.STOP_SECONDS), 0, server.text())
        with harness.Server(*self.options) as server, server.connect() as client:
            self.assertIn(int(client.get(b"n")), (stored, wanted))


if __name__ == "__main__":
    unittest.main()
