"""The server is killed at random moments while it is written to, saves and runs jobs: every start must give the contents
of one moment, none older than the last snapshot that was reported as saved, and the results that were reported as done.

    snapshot_kill_test.py --rounds 200 [--seed <n>]        without: a few rounds
"""

import argparse
import random
import sys
import tempfile
import threading
import time
import unittest

import harness

KEYS = 400
ROUNDS = 6
SEED = None


def operation(n):
    """The n-th thing that is done, the same in every run: (key, value), or (key, None) to delete it."""
    mixed = n * 2654435761 % (1 << 32)
    key = b"key:%d" % ((mixed >> 8) % KEYS)
    if mixed % 7 == 0:
        return key, None
    return key, b"%d:" % n + b"x" * (mixed % 3000)


class Model:
    """The contents after the first n operations."""

    def __init__(self):
        self.n = 0
        self.items = {}

    def advance(self):
        self.n += 1
        key, value = operation(self.n)
        if value is None:
            self.items.pop(key, None)
        else:
            self.items[key] = value


class Clients:
    """One that writes, an operation after the other, and one that saves and runs jobs."""

    def __init__(self, server, first):
        self.done = first - 1  # the last operation that was answered
        self.saved = 0         # the contents are at least those after so many
        self.results = []
        self.threads = [threading.Thread(target=self.run, args=(work, server)) for work in (self.write, self.save)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def run(work, server):
        try:
            with server.connect() as client:
                work(client)
        except (OSError, EOFError):
            pass  # killed

    def write(self, client):
        while True:
            n = self.done + 1
            key, value = operation(n)
            if value is None:
                client.send(b"delete %s\r\n" % key)
                client.line()
            elif client.set(key, value) != b"STORED":
                raise AssertionError("not stored")
            self.done = n

    def save(self, client):
        for number in range(1_000_000):
            before = self.done
            if client.command("snapshot save")[0].startswith("HD "):
                self.saved = before
            name = f"r{before}-{number}"
            if "state=done" in client.command(f"batch run agg:count name={name} wait=10000")[0]:
                self.results.append(name)

    def join(self):
        for thread in self.threads:
            thread.join()


class KillTest(unittest.TestCase):
    def test_nothing_reported_is_lost_and_nothing_is_half_there(self):
        seed = SEED if SEED is not None else random.randrange(1 << 32)
        random.seed(seed)
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="shardmill-e2e-"))
        model = Model()
        least, results, kills = 0, [], 0
        for round_number in range(ROUNDS):
            options = (f"snapshot_dir={directory}", f"snapshot_codec={random.choice(['none', 'zstd'])}",
                       f"shards={random.choice([1, 4, 16])}")
            server = harness.Server(extended=options, reactors=random.choice([1, 2]))
            server.start()
            try:
                with self.subTest(seed=seed, round=round_number):
                    with server.connect() as client:
                        self.check_contents(client, model, least)
                        self.check_results(client, results)
                clients = Clients(server, model.n + 1)
                time.sleep(random.random() * 0.5)
                server.kill()
                clients.join()
                kills += 1
                least = max(least, clients.saved)
                results = (results + clients.results)[-20:]
            finally:
                server.kill()
                server.output.close()
            model = self.model_up_to(least)
        sys.stderr.write(f"{kills} kills, {model.n} operations saved, seed {seed}\n")

    def check_contents(self, client, model, least):
        """Moves the model to the moment that was loaded, which is not before `least`."""
        found = {}
        for i in range(KEYS):
            value = client.get(b"key:%d" % i)
            if value is not None:
                found[b"key:%d" % i] = value
        newest = max((int(value.split(b":")[0]) for value in found.values()), default=0)
        while model.n < max(newest, least):
            model.advance()
        # Deletions behind the newest value leave no number.
        while model.items != found and operation(model.n + 1)[1] is None:
            model.advance()
        self.assertEqual(len(found), len(model.items))
        self.assertEqual(found, model.items)

    def check_results(self, client, results):
        for name in results:
            end, rows = client.command(f"batch get {name}")
            self.assertEqual((end, len(rows)), ("EN done", 1), name)

    @staticmethod
    def model_up_to(n):
        model = Model()
        while model.n < n:
            model.advance()
        return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int)
    options, rest = parser.parse_known_args()
    ROUNDS, SEED = options.rounds, options.seed
    unittest.main(argv=[sys.argv[0], *rest])
