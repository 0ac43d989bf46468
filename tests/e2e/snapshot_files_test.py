"""shardmill-cli snapshot verify, dump and convert: directories of snapshots without a server."""

import base64
import json
import os
import tempfile
import unittest

import harness


def cli(*arguments):
    return harness.run(harness.program("SHARDMILL_CLI"), "snapshot", *arguments)


class SnapshotFilesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="shardmill-e2e-"))
        cls.directory = os.path.join(cls.root, "kept")
        os.mkdir(cls.directory)
        cls.items = {b"key:%d" % i: b"value \xc3\xa4 %d" % i for i in range(2000)}
        cls.items[b"bytes"] = bytes(range(256)) * 4000
        with harness.Server(extended=(f"snapshot_dir={cls.directory}", "no_snapshot_on_exit")) as server:
            with server.connect() as client:
                for key, value in cls.items.items():
                    client.set(key, value, flags=7 if key == b"bytes" else 0, exptime=2_000_000_000 if key == b"key:1" else 0)
                client.send(b"ms /w== 1 b\r\nx\r\n")
                client.line()
                cls.items[b"\xff"] = b"x"
                client.command("snapshot save named")
                client.command("batch run agg:count name=job wait=60000")

    def dumped(self, *arguments):
        done = cli("dump", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    @staticmethod
    def text(item, name):
        return item[name].encode() if name in item else base64.b64decode(item[name + "_base64"])

    def check_items(self, *arguments):
        items = self.dumped(*arguments)
        self.assertEqual({self.text(item, "key"): self.text(item, "value") for item in items}, self.items)
        by_key = {self.text(item, "key"): item for item in items}
        self.assertEqual(by_key[b"bytes"]["flags"], 7)
        self.assertEqual(by_key[b"key:1"]["exptime"], 2_000_000_000)
        self.assertTrue(by_key[b"\xff"]["binary_key"])

    def test_items_are_printed_whatever_their_bytes(self):
        self.check_items("--dir", self.directory)
        self.check_items("named", "--dir", self.directory)

    def test_results_of_jobs_are_printed_too(self):
        job = next(name for name in os.listdir(self.directory) if name.startswith("result-"))
        self.assertEqual([item["value"] for item in self.dumped(job, "--dir", self.directory)],
                         ['{"count":%d}' % len(self.items)])

    def test_a_snapshot_is_split_and_compressed_anew(self):
        for files, codec in (("1", "none"), ("7", "zstd")):
            to = os.path.join(self.root, f"to-{files}-{codec}")
            done = cli("convert", "--dir", self.directory, "--to", to, "--files", files, "--codec", codec, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads(done.stdout)
            self.assertEqual((report["items"], report["files"]), (len(self.items), int(files)))
            self.check_items("--dir", to)
            with harness.Server(extended=(f"snapshot_dir={to}", "no_snapshot_on_exit")) as server, server.connect() as client:
                self.assertEqual(client.get(b"bytes"), self.items[b"bytes"])
                self.assertEqual(client.get(b"key:1999"), self.items[b"key:1999"])

    def test_everything_kept_is_verified(self):
        done = cli("verify", "--dir", self.directory)
        self.assertEqual((done.returncode, done.stdout.count("sound")), (0, 2), done.stderr)
        copy = os.path.join(self.root, "damaged")
        self.assertEqual(cli("convert", "--dir", self.directory, "--to", copy).returncode, 0)
        path = max((os.path.join(folder, name) for folder, _, names in os.walk(copy) for name in names), key=os.path.getsize)
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        done = cli("verify", "--dir", copy)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f"{path} at byte \\d+: the block's checksum is wrong")
        done = cli("dump", "--dir", copy)
        self.assertEqual(done.returncode, 1)

    def test_what_is_not_there_is_said(self):
        for arguments, reason in ((("verify", "--dir", self.root + "/none"), "there is no directory"),
                                  (("dump", "other", "--dir", self.directory), "there is no snapshot other"),
                                  (("dump", "--dir", self.root), "there is no committed snapshot"),
                                  (("verify", "--dir", self.root), "nothing is kept in")):
            done = cli(*arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(reason, done.stderr)
        with harness.Server(extended=(f"snapshot_dir={self.directory}", "no_snapshot_on_exit")) as server:
            done = cli("convert", "--dir", self.directory, "--to", self.directory)
            self.assertIn("in use by another server", done.stderr)
            self.assertEqual(cli("verify", "--dir", self.directory).returncode, 0)
            done = cli("verify", "named", "-s", server.name)
            self.assertRegex(done.stdout, "state sound")


if __name__ == "__main__":
    unittest.main()
