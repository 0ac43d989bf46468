"""tools/demo on a small index that was made up: every number right, for every number of threads."""

import os
import random
import tempfile
import unittest

import harness

SECTIONS = ["admin", "devel", "games", "libs", "python", "non-free/net", "contrib/science"]
WORDS = ["Library", "library", "for", "the", "C++", "x86_64", "naïve", "größe", "C3PO", "it's", "a-b", "GNU/Linux",
         "日本語", "tools", "(data)", "files.", "\"quoted\"", "back\\slash", "tab\there"]


def write_index(path, count):
    """Packages in the format of `apt-cache dumpavail`: some come twice, some lack fields, some sizes are equal."""
    source = random.Random(7)
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            for version in range(1, 3 if i % 17 == 0 else 2):
                file.write(f"Package: package-{i}\nVersion: {version}.{i}\n")
                if i % 29:
                    file.write(f"Installed-Size: {source.choice([0, 7, 5000, source.randrange(10 ** 6)])}\n")
                if i % 31:
                    file.write(f"Section: {source.choice(SECTIONS)}\n")
                file.write(f"Size: {source.randrange(10 ** 9)}\nMaintainer: Jörg <j@example.org>\n")
                if i % 37:
                    file.write("Description: " + " ".join(source.choices(WORDS, k=source.randrange(1, 20))) + "\n")
                    file.write(" A second line, of " + " ".join(source.choices(WORDS, k=5)) + "\n .\n")
                file.write("\n")


class DemoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="shardmill-e2e-"))
        cls.index = os.path.join(cls.directory, "index")
        write_index(cls.index, 3000)

    def demo(self, *options):
        return harness.run(harness.program("SHARDMILL_DEMO"), "--packages", self.index,
                           "--build", os.path.dirname(harness.program("SHARDMILL")), *options, timeout=300)

    def check(self, *options):
        done = self.demo(*options)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        self.assertIn("All three jobs agree", done.stdout)
        self.assertIn("sum($.installed_size)", done.stdout)

    def test_numbers_are_right_with_1_2_and_4_reactors_and_1_and_2_workers(self):
        for reactors in (1, 2, 4):
            for workers in (1, 2):
                with self.subTest(reactors=reactors, workers=workers):
                    self.check("--reactors", str(reactors), "--workers", str(workers))

    def test_numbers_are_right_while_a_writer_overwrites_every_item(self):
        for reactors in (1, 2, 4):
            for workers in (1, 2):
                with self.subTest(reactors=reactors, workers=workers):
                    self.check("--reactors", str(reactors), "--workers", str(workers), "--while-writing",
                               "--rounds", "2")

    def test_a_server_that_has_other_numbers_is_found_out(self):
        with harness.Server() as server:
            with server.connect() as client:
                # Counted in the section of the others, but not in the index.
                value = b'{"package":"x","section":"admin","installed_size":1,"description":"extra"}'
                client.set(b"pkg:not-in-the-index", value)
            done = self.demo("--server", server.name)
            self.assertEqual(done.returncode, 1)
            self.assertIn("numbers are wrong", done.stderr)
            self.assertIn("extra", done.stderr)

    def test_a_server_that_is_not_there_is_told(self):
        done = self.demo("--server", f"127.0.0.1:{harness.free_port()}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot connect", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
