"""shardmill-cli against a scripted server: what it makes of every kind of reply."""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import unittest

import harness


class ScriptedServer:
    """Accepts one connection after another and answers each line from a script; unknown lines get ERROR."""

    def __init__(self, script):
        self.script = {line.encode(): list(replies) if isinstance(replies, list) else [replies]
                       for line, replies in script.items()}
        self.lines = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                # A client that is killed leaves in the middle.
                with contextlib.suppress(ConnectionError):
                    self.answer(connection, lines)

    def answer(self, connection, lines):
        for line in lines:
            line = line.rstrip(b"\r\n")
            self.lines.append(line.decode())
            reply = self.reply_to(line)
            if reply is None:
                break
            connection.sendall(reply)

    def reply_to(self, line):
        replies = self.script.get(line, [b"ERROR\r\n"])
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def close(self):
        # Wakes accept.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(timeout=10)


def row(key, value):
    return b"VA %d k%s\r\n%s\r\n" % (len(value), key.encode(), value)


class CliRepliesTest(unittest.TestCase):
    def against(self, script, *arguments, **options):
        server = ScriptedServer(script)
        self.addCleanup(server.close)
        done = harness.run(harness.program("SHARDMILL_CLI"), "-s", f"127.0.0.1:{server.port}", *arguments, **options)
        self.lines = server.lines
        return done

    RUN = {
        "batch run by:$.s|agg:count prefix=p:": b"HD 1-1 state=queued\r\n",
        "batch wait 1-1 timeout=2000": [
            b"HD 1-1 state=queued percent=0\r\n",
            b"HD 1-1 state=running percent=50 scanned=5 matched=5\r\n",
            b"HD 1-1 state=done percent=100 scanned=10 matched=9 failed=0 bytes=99 ms=3 rows=3 name=n\r\n"],
        "batch get 1-1 from=0 rows=100": row("admin", b'{"count":1041,"sum($.size)":515}') +
                                         row("bG9uZyBuYW1l b", b'{"count":3}') + b"EN more=2\r\n",
        "batch get 1-1 from=2 rows=98": row("x", b'{"sum($.size)":-7.5}') + b"EN done\r\n",
        "batch get 1-1 from=0 rows=5000": row("admin", b'{"count":1041}') + b"EN more=1\r\n",
        "batch get 1-1 from=1 rows=5000": b"VA 3 k/wA= b\r\nraw\r\nEN done\r\n",
    }

    def test_run_waits_and_prints_an_aligned_table_of_all_pages(self):
        done = self.against(self.RUN, "batch", "run", "by:$.s|agg:count", "prefix=p:")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, (
            "key        count  sum($.size)\n"
            "---------  -----  -----------\n"
            "admin       1041          515\n"
            "long name      3\n"
            "x                        -7.5\n"
            "\n"
            "job 1-1  state done  percent 100  scanned 10  matched 9  failed 0  bytes 99  ms 3  rows 3  name n\n"))
        self.assertEqual(done.stderr, "")  # no bar where stderr is no terminal

    def test_run_as_json_has_the_status_and_every_row(self):
        done = self.against(self.RUN, "batch", "run", "by:$.s|agg:count", "prefix=p:", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(result["id"], "1-1")
        self.assertEqual(result["state"], "done")
        self.assertEqual(result["scanned"], 10)
        self.assertEqual(result["rows"], [{"key": "admin", "value": {"count": 1041}},
                                          {"key_base64": "/wA=", "value": "raw"}])

    def test_limit_stops_after_so_many_rows_and_says_that_there_are_more(self):
        script = dict(self.RUN)
        script["batch get 1-1 from=0 rows=2"] = script["batch get 1-1 from=0 rows=100"]
        done = self.against(script, "batch", "get", "1-1", "--limit", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("long name", done.stdout)
        self.assertIn("first 2 rows", done.stdout)

    def test_no_wait_prints_the_id(self):
        done = self.against(self.RUN, "batch", "run", "by:$.s|agg:count", "prefix=p:", "--no-wait")
        self.assertEqual((done.returncode, done.stdout), (0, "1-1\n"))

    def test_a_pipeline_with_spaces_goes_as_payload(self):
        text = "where:$.a = 'b c'|agg:count"
        done = self.against({f"batch run - payload={len(text)}": b"", text: b"HD 7 state=queued\r\n"},
                            "batch", "run", text, "--no-wait")
        self.assertEqual((done.returncode, done.stdout), (0, "7\n"))

    def test_a_job_goes_on_when_the_waiting_is_interrupted(self):
        server = ScriptedServer({"batch run agg:count": b"HD 1-1 state=queued\r\n",
                                 "batch wait 1-1 timeout=2000": b"HD 1-1 state=running percent=50\r\n"})
        self.addCleanup(server.close)
        command = [harness.program("SHARDMILL_CLI"), "-s", f"127.0.0.1:{server.port}", "batch", "run", "agg:count"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:
            self.assertTrue(harness.wait_for(lambda: len(server.lines) > 1))
            waiting.send_signal(signal.SIGINT)
            _, told = waiting.communicate(timeout=60)
        self.assertEqual((waiting.returncode, told), (130, "\nshardmill-cli: job 1-1 goes on; batch stop 1-1 ends it\n"))

    def test_refusals_are_told_and_fail(self):
        for reply, text in ((b"NF\r\n", "no such job"), (b"NS too many jobs\r\n", "too many jobs"),
                            (b"EX\r\n", "of that name"), (b"ERROR\r\n", "does not know"),
                            (b"CLIENT_ERROR bad pipeline at character 11\r\n", "at character 11"),
                            (b"SERVER_ERROR disk full\r\n", "disk full")):
            with self.subTest(reply=reply):
                done = self.against({"batch run x": reply}, "batch", "run", "x")
                self.assertEqual(done.returncode, 1)
                self.assertIn(text, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_a_failed_job_is_a_failure_with_its_reason(self):
        script = {"batch run x": b"HD 9 state=queued\r\n",
                  "batch wait 9 timeout=2000": b"HD 9 state=failed percent=40 reason=out of memory, really\r\n"}
        done = self.against(script, "batch", "run", "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("out of memory, really", done.stderr)
        done = self.against(script, "batch", "run", "x", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["reason"], "out of memory, really")

    def test_wait_gives_up_after_its_timeout(self):
        done = self.against({"batch wait 5 timeout=0": b"HD 5 state=running percent=1\r\n"},
                            "batch", "wait", "5", "--timeout", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("running", done.stdout)

    def test_lists_are_tables_or_json(self):
        script = {"batch list": row("1-1", b'{"state":"done","rows":3}') + b"EN done\r\n",
                  "batch kernels": row("wordcount", b'{"arguments":"<expr>"}') + b"EN done\r\n",
                  "snapshot list": b"EN done\r\n"}
        done = self.against(script, "batch", "list")
        self.assertEqual(done.stdout, "key  state  rows\n---  -----  ----\n1-1  done      3\n")
        done = self.against(script, "batch", "kernels", "--json")
        self.assertEqual(json.loads(done.stdout), [{"key": "wordcount", "value": {"arguments": "<expr>"}}])
        done = self.against(script, "snapshot", "list")
        self.assertEqual((done.returncode, done.stdout), (0, "none\n"))

    def test_status_commands_print_what_the_server_says(self):
        script = {"batch stat 1": b"HD 1 state=done percent=100\r\n", "snapshot save": b"HD snap-1 state=committed items=5\r\n"}
        self.assertEqual(self.against(script, "batch", "stat", "1").stdout, "1  state done  percent 100\n")
        done = self.against(script, "snapshot", "save", "--json")
        self.assertEqual(json.loads(done.stdout), {"status": "HD", "id": "snap-1", "state": "committed", "items": 5})

    def test_a_reply_that_is_no_reply_is_a_protocol_error(self):
        done = self.against({"batch list": b"HTTP/1.1 400 Bad Request\r\n"}, "batch", "list")
        self.assertEqual(done.returncode, 3)
        self.assertIn("HTTP/1.1", done.stderr)
        done = self.against({"get a": b"VALUE a 0 99999999999\r\n"}, "get", "a")
        self.assertEqual(done.returncode, 3)

    def test_a_server_that_closes_is_told(self):
        done = self.against({"get a": None}, "get", "a")
        self.assertEqual(done.returncode, 3)
        self.assertIn("closed the connection", done.stderr)

    def test_no_server_is_told_with_what_to_do(self):
        port = harness.free_port()
        done = harness.run(harness.program("SHARDMILL_CLI"), "-s", f"127.0.0.1:{port}", "stats")
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"127.0.0.1:{port}", done.stderr)
        self.assertIn("is the server running", done.stderr)
        done = harness.run(harness.program("SHARDMILL_CLI"), "-s", "/no/such/socket", "stats")
        self.assertEqual(done.returncode, 3)
        self.assertIn("/no/such/socket", done.stderr)


class UsageTest(unittest.TestCase):
    def test_wrong_usage_ends_with_two(self):
        for arguments in ((), ("frobnicate",), ("set",), ("get",), ("batch",), ("batch", "run"),
                          ("-s", "host:port:x", "stats"), ("-s", "localhost:0", "stats"),
                          ("load", "/no/such/file", "--key", "a", "--format", "xml"), ("get", "--nonsense", "a")):
            with self.subTest(arguments=arguments):
                done = harness.run(harness.program("SHARDMILL_CLI"), *arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertNotEqual(done.stderr, "")

    def test_help_and_version_end_with_zero(self):
        for arguments in (("--help",), ("--version",), ("batch", "run", "--help")):
            done = harness.run(harness.program("SHARDMILL_CLI"), *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
