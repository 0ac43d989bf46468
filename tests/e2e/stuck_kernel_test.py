"""A kernel that does not come back from an item: what others notice of it, and what stopping it does."""

import contextlib
import os
import shutil
import tempfile
import unittest

import harness


class StuckKernelTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="shardmill-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.kernels = os.path.join(self.directory, "kernels")
        self.kept = os.path.join(self.directory, "kept")
        os.mkdir(self.kernels)
        os.mkdir(self.kept)
        shutil.copy(os.path.join(harness.program("SHARDMILL_BUILD"), "tests/compute/waiting_plugin.so"), self.kernels)
        # Whoever opens it for writing lets the kernel go on.
        self.fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(self.fifo)

    def server(self, *extended):
        return harness.Server(extended=(f"kernel_dir={self.kernels}", "workers=1", *extended))

    def stuck_job(self, client, *options):
        reply, _ = client.command(" ".join(["batch run", f"waiting:'{self.fifo}'", *options]))
        self.assertRegex(reply, "^HD ")
        job = reply.split()[1]
        self.assertTrue(harness.wait_for(lambda: " stuck_ms=" in client.command(f"batch stat {job}")[0]))
        return job

    def test_others_go_on_and_a_stop_does_not_wait_for_it(self):
        with self.server() as server, server.connect() as client:
            client.set(b"k", b"v")
            job = self.stuck_job(client, "name=stuck")
            self.assertGreater(int(client.stats("batch")["batch_stuck_ms"]), 0)
            self.assertEqual(client.get(b"k"), b"v")

            client.command(f"batch stop {job}")
            self.assertRegex(client.command(f"batch wait {job}")[0], " state=stopped .* stuck_ms=")
            # The worker is given up some time later; another one takes its place.
            reply, _ = client.command("batch run agg:count wait=60000")
            self.assertIn(" state=done ", reply)
            self.assertIn("1 workers have not come back", server.text())

            with open(self.fifo, "wb"):
                pass
            self.assertTrue(harness.wait_for(lambda: "its workers have come back" in server.text()))
            self.assertNotIn("stuck_ms", client.command(f"batch stat {job}")[0])

    def test_a_job_with_threads_of_its_own_holds_up_nobody(self):
        with self.server() as server, server.connect() as client:
            client.set(b"k", b"v")
            job = self.stuck_job(client, "cpu=50")
            self.assertIn(" state=done ", client.command("batch run agg:count wait=60000")[0])
            client.command(f"batch stop {job}")
            self.assertIn(" state=stopped ", client.command(f"batch wait {job}")[0])
            with open(self.fifo, "wb"):
                pass

    def test_a_deadline_ends_the_job_all_the_same(self):
        with self.server() as server, server.connect() as client:
            client.set(b"k", b"v")
            reply, _ = client.command(f"batch run waiting:'{self.fifo}' deadline=10 wait=60000")
            self.assertRegex(reply, " state=failed .*reason=deadline=10 was reached")
            with open(self.fifo, "wb"):
                pass

    def test_the_server_stops_and_saves_all_the_same(self):
        with self.server(f"snapshot_dir={self.kept}") as server, server.connect() as client:
            client.set(b"k", b"v")
            self.stuck_job(client)
            self.assertEqual(server.stop(), 0, server.text())
        with self.server(f"snapshot_dir={self.kept}") as server, server.connect() as client:
            self.assertEqual(client.get(b"k"), b"v")

    def tearDown(self):
        # Nobody is left waiting, whatever has failed.
        with contextlib.suppress(OSError):
            os.close(os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK))


if __name__ == "__main__":
    unittest.main()
