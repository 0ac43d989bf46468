"""shardmill-cli against the real server."""

import json
import os
import subprocess
import unittest

import harness


class CliTest(harness.ServerCase):
    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return path

    def test_set_and_get_round_trip(self):
        self.assertEqual(self.cli("set", "a", "some text", "--flags", "5").returncode, 0)
        done = self.cli("get", "a")
        self.assertEqual((done.returncode, done.stdout), (0, "some text\n"))
        self.assertEqual(json.loads(self.cli("get", "a", "--json").stdout),
                         {"key": "a", "flags": 5, "value": "some text"})

    def test_set_reads_stdin_and_get_raw_adds_nothing(self):
        data = bytes(range(256)) * 2000
        command = [harness.program("SHARDMILL_CLI"), "-s", self.server.name]
        subprocess.run([*command, "set", "bytes"], input=data, check=True, timeout=60)
        done = subprocess.run([*command, "get", "bytes", "--raw"], stdout=subprocess.PIPE, check=True, timeout=60)
        self.assertEqual(done.stdout, data)

    def test_a_missing_key_is_named_and_fails(self):
        self.cli("set", "there", "1")
        done = self.cli("get", "not-there", "there")
        self.assertEqual((done.returncode, done.stdout), (1, "1\n"))
        self.assertIn("not-there", done.stderr)

    def test_a_key_that_cannot_be_is_refused_before_it_is_sent(self):
        for key in ("a b", "k" * 251, "line\nend"):
            done = self.cli("set", key, "x")
            self.assertEqual(done.returncode, 2)
            self.assertIn("the key", done.stderr)

    def test_too_large_a_value_is_refused_in_the_servers_words(self):
        path = self.file("large", "x" * (2 << 20))
        with open(path, "rb") as large:
            done = harness.run(harness.program("SHARDMILL_CLI"), "-s", self.server.name, "set", "large", stdin=large)
        self.assertEqual(done.returncode, 1)
        self.assertIn("object too large for cache", done.stderr)

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        self.cli("set", "full", "x")
        for words in (("get", "full"), ("stats",), ("batch", "run", "export", "prefix=full"), ("batch", "kernels", "--json")):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([harness.program("SHARDMILL_CLI"), "-s", self.server.name, *words], stdout=full,
                                      stderr=subprocess.PIPE, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("No space left", done.stderr)

    def test_output_that_was_handed_over_closed_is_a_failure(self):
        self.cli("set", "closed", "more than eight bytes")
        for numbers in ((1,), (0, 1, 2)):
            command = [harness.program("SHARDMILL_CLI"), "-s", self.server.name, "get", "closed"]
            done = subprocess.run(command, preexec_fn=lambda: [os.close(number) for number in numbers], check=False, timeout=60)
            self.assertEqual(done.returncode, 1, numbers)
        with open("/dev/full", "w", encoding="ascii") as full:
            self.assertEqual(subprocess.run(command, stdout=full, stderr=full, check=False, timeout=60).returncode, 1)

    def test_stats_are_a_list_or_json(self):
        done = self.cli("stats")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^curr_connections +\d+$")
        stats = json.loads(self.cli("stats", "--json").stdout)
        self.assertEqual(stats["pid"], self.server.pid)
        self.assertEqual(json.loads(self.cli("stats", "settings", "--json").stdout)["num_threads"], 2)

    def test_a_job_is_planned_run_and_exported(self):
        path = self.file("plan.jsonl", "".join(json.dumps({"id": i, "g": 'a,"b' if i % 2 else "c"}) + "\n" for i in range(300)))
        self.cli("load", path, "--key", "plan:{id}")
        done = self.cli("batch", "plan", "by:$.g|agg:count", "prefix=plan:", "name=planned")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^in_place_ms +[0-9.]+ *$")
        job = done.stdout.split()[-3]
        self.assertIn("matched 300", self.cli("batch", "run", job).stdout)
        self.assertRegex(self.cli("batch", "plan", "planned").stdout, r"(?m)^in_place_ms +[0-9.]+ +[0-9.]+ *$")
        self.assertIn("measured_item_ns", json.loads(self.cli("batch", "plan", "planned", "--json").stdout)["value"])
        out = os.path.join(self.directory, "rows")
        self.assertEqual(self.cli("batch", "export", "planned", "--format", "csv", "-o", out).returncode, 0)
        with open(out, encoding="utf-8", newline="") as file:
            self.assertEqual(file.read(), 'key,count\r\n"a,""b",150\r\nc,150\r\n')
        done = self.cli("batch", "export", "planned")
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()],
                         [{"key": 'a,"b', "value": {"count": 150}}, {"key": "c", "value": {"count": 150}}])
        self.assertEqual(self.cli("batch", "export", "nosuchjob", "-o", out).returncode, 1)
        self.assertGreater(os.path.getsize(out), 0)  # what it had
        self.assertEqual(self.cli("batch", "export", "planned", "-o", "/nosuch/file").returncode, 1)

    def test_load_of_json_lines_stores_whole_lines(self):
        count = 20_000
        lines = [json.dumps({"id": i, "name": f"näme {i}", "nested": {"tag": f"t{i % 7}"}}, ensure_ascii=False)
                 for i in range(count)]
        path = self.file("records.jsonl", "\n".join(lines) + "\n")
        done = self.cli("load", path, "--key", "rec:{nested.tag}:{id}", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual((result["lines"], result["stored"], result["failed"]), (count, count, 0))
        client = self.connect()
        for i in range(0, count, 997):
            self.assertEqual(client.get(b"rec:t%d:%d" % (i % 7, i)).decode(), lines[i])

    def test_load_takes_values_from_a_field(self):
        path = self.file("values.jsonl", '{"k":"v1","n":1,"o":{"a":[1, 2]}}\n{"k":"v2","n":2.5,"o":{}}')
        self.assertEqual(self.cli("load", path, "--key", "k", "--value", "n").returncode, 0)
        self.assertEqual(self.cli("get", "v1", "v2").stdout, "1\n2.5\n")
        self.cli("load", path, "--key", "k", "--value", "{n}/{o}")
        self.assertEqual(self.cli("get", "v1").stdout, '1/{"a":[1,2]}\n')

    def test_load_of_tsv(self):
        path = self.file("items.tsv", "t1\tone\tuno\r\nt2\ttwo\n")
        self.assertEqual(self.cli("load", path).returncode, 0)
        self.assertEqual(self.cli("get", "t1", "t2").stdout, "one\tuno\ntwo\n")
        done = self.cli("load", path, "--key", "x:{2}", "--value", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.cli("get", "x:two").stdout, "t2\n")

    def test_load_from_stdin_sets_flags_and_exptime(self):
        done = harness.run(harness.program("SHARDMILL_CLI"), "-s", self.server.name, "load", "-", "--format", "tsv",
                           "--flags", "3", "--exptime", "1000", input="in1\tvalue\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        client = self.connect()
        self.assertRegex(client.ask("mg in1 f t"), r"^HD f3 t(1000|9\d\d)$")

    def test_load_names_what_failed_counts_it_and_goes_on(self):
        big = "x" * (2 << 20)
        path = self.file("bad.jsonl", '{"k":"good1"}\nnot json\n{"other":1}\n{"k":"a key with spaces"}\n'
                                      f'{{"k":"toolarge","v":"{big}"}}\n[1]\n{{"k":null}}\n\n{{"k":"good2"}}\n')
        done = self.cli("load", path, "--key", "k", "--json")
        self.assertEqual(done.returncode, 1)
        result = json.loads(done.stdout)
        self.assertEqual((result["lines"], result["stored"], result["failed"]), (9, 2, 6))
        for text in ("line 2: not JSON", "line 3: there is no field 'k'", "line 4, key 'a key with spaces'",
                     "line 5, key 'toolarge': the server answered: SERVER_ERROR object too large",
                     "line 6", "line 7: the field 'k' is null"):
            self.assertIn(text, done.stderr)
        self.assertEqual(self.cli("get", "good2").returncode, 0)
        done = self.cli("load", path, "--key", "k", "--show-failures", "1")
        self.assertIn("5 more failures", done.stderr)

    def test_load_that_cannot_begin_is_wrong_usage(self):
        for arguments in (("/no/such/file", "--key", "a"), (self.file("x.jsonl", "{}"),),
                          (self.file("x.jsonl", "{}"), "--key", "{open"), (self.file("x.jsonl", "{}"), "--key", "a}b")):
            done = self.cli("load", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_jobs_run_from_the_command_line(self):
        path = self.file("job.jsonl", "".join(json.dumps({"id": i, "group": "even" if i % 2 == 0 else "odd", "n": i})
                                              + "\n" for i in range(1000)))
        self.assertEqual(self.cli("load", path, "--key", "job:{id}").returncode, 0)
        done = self.cli("batch", "run", "by:$.group|agg:count,sum($.n)", "prefix=job:", "name=groups", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual({row["key"]: row["value"] for row in result["rows"]},
                         {"even": {"count": 500, "sum($.n)": 249500}, "odd": {"count": 500, "sum($.n)": 250000}})
        self.assertEqual((result["state"], result["matched"]), ("done", 1000))
        table = self.cli("batch", "get", "groups").stdout.splitlines()
        self.assertEqual(table[0].split(), ["key", "count", "sum($.n)"])
        self.assertIn(["even", "500", "249500"], [line.split() for line in table])
        self.assertIn(result["id"], self.cli("batch", "list").stdout)
        self.assertIn("state done", self.cli("batch", "stat", result["id"]).stdout)
        self.assertEqual(self.cli("batch", "wait", result["id"]).returncode, 0)
        self.assertIn("wordcount", self.cli("batch", "kernels").stdout)
        self.assertEqual(self.cli("batch", "drop", result["id"]).returncode, 0)
        done = self.cli("batch", "get", result["id"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such job", done.stderr)

    def test_a_wrong_pipeline_is_refused_with_its_place(self):
        done = self.cli("batch", "run", "by:$.group|nonsense:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("CLIENT_ERROR", done.stderr)
        self.assertIn("character", done.stderr)


if __name__ == "__main__":
    unittest.main()
