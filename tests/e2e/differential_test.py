"""Random command sequences, sent to this server and to memcached: both must answer the same.

The peer is the memcached named by PEER_MEMCACHED, else the one on PATH. A short run with fixed seeds is part of the
tests. The long run, for a change of what commands mean:

    PEER_MEMCACHED=.../memcached SHARDMILL=build/shardmill tests/e2e/differential_test.py --minutes 10 [--seed 1]

What must differ is made equal before comparing (`Replies`); what may differ is listed there, too, with its reason.
What a peer older than 1.6.45 is not asked is listed in `Features`.
"""

import argparse
import base64
import dataclasses
import os
import random
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

import differential_commands
import harness

GROUP = 12  # commands sent at once
WAIT_SECONDS = 20
PAD = b"mn\r\n" * 16000


def peer_program():
    path = os.environ.get("PEER_MEMCACHED") or shutil.which("memcached")
    if not path:
        raise RuntimeError("memcached must be on PATH, or PEER_MEMCACHED must name it")
    return path


def peer_version():
    words = subprocess.run([peer_program(), "-V"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return tuple(int(number) for number in re.findall(r"\d+", words[1])[:3])


@dataclasses.dataclass
class Features:
    """What the peer can be asked."""

    malformed: bool = True  # wrong input: the parser was rewritten after 1.6.18, and errors with it
    odd_flags: bool = True  # meta flags that mean nothing to a command
    unknown_flags: bytes = b""  # meta flags that came later
    modes: int = 9  # how many of the modes of M are tried; the last are wrong
    known: tuple = ()  # known differences, by the name of a method of Replies

    @staticmethod
    def of(version):
        if version >= (1, 6, 45):
            return Features()
        return Features(malformed=False, odd_flags=False, unknown_flags=b"CEIxN", modes=4)


class Peer(harness.Server):
    """memcached, started like the server under test."""

    def __init__(self, *options, memory=256):
        super().__init__()
        self.command = [peer_program(), "-l", "127.0.0.1", "-p", str(self.port), "-m", str(memory), "-t", "2", *options]
        # Their threads hold items for a moment, and then incr does otherwise.
        self.command += ["-o", "no_lru_crawler,no_lru_maintainer"]
        self.command += harness.AS_ME


# How a reply names a key in base64 -> how it names it plainly.
PLAIN = {mark + base64.b64encode(key): mark + key
         for key in differential_commands.KEYS + differential_commands.MISSING
         for mark in (b"k", b"")}


class Replies:
    """One server's replies, made comparable. Remembers the CAS of every key and in which order CAS values appeared."""

    def __init__(self):
        self.cas_of_key = {}
        self.order = {}

    def fill_in(self, command):
        """The command with the CAS values that this server knows."""
        def known(match):
            key, offset = base64.b64decode(match[1]), int(match[2])
            # As long for both: it may be part of what one command swallows.
            return b"%020d" % ((self.cas_of_key.get(key, 0) + offset) % (1 << 64))
        return re.sub(rb"\0C([A-Za-z0-9+/=]+);(-?\d+)\0", known, command)

    def symbol(self, number):
        """The same for the same CAS, and for those that clients choose themselves."""
        if number in (0, 1, 9223372036854775807):
            return b"%d" % number
        return b"cas%d" % self.order.setdefault(number, len(self.order))

    def learn(self, reply):
        """Takes the CAS of keys from the dump that ends every group: `ME <key> ...cas=<n>`."""
        for match in re.finditer(rb"^ME ([^ \r\n]+) exp=\S+ la=\S+ cas=(\d+)", reply, re.MULTILINE):
            self.cas_of_key[PLAIN.get(match[1], match[1])] = int(match[2])

    def comparable(self, reply):
        reply = re.sub(rb"^(VALUE [^ \r\n]+ \d+ \d+ )(\d+)\r$", lambda m: m[1] + self.symbol(int(m[2])) + b"\r", reply,
                       flags=re.MULTILINE)
        return re.sub(rb"^((?:HD|VA \d+|NS|EX|NF|ME)(?: .*)?)\r$", lambda m: self.flags(m[1]) + b"\r", reply, flags=re.MULTILINE)

    def flags(self, line):
        words = [self.flag(word) for word in line.split(b" ")]
        # A key stored as base64 stays so here when its item is written anew by append, incr or md x.
        plain = [PLAIN.get(word, word) for word in words]
        return b" ".join(word for word in plain if plain == words or word != b"b")

    def flag(self, word):
        if match := re.fullmatch(rb"(c|cas=)(\d+)", word):
            return match[1] + self.symbol(int(match[2]))
        # Seconds go by between the servers; sizes classes are memcached's own; when an item counts as fetched and as
        # accessed differs on purpose: incr and add are accesses here.
        if re.fullmatch(rb"(l\d+|la=\d+|cls=\d+|h[01]|fetch=(yes|no))", word):
            return word[:1]
        if re.fullmatch(rb"t42949\d{5}", word):
            return b"t0"  # memcached counts on below 0
        return word


SECONDS_LEFT = re.compile(rb"( t| exp=)-?(\d+)(?=[ \r])")


def alike(ours, theirs):
    """Whether comparable replies agree. The two clocks tick at different moments: seconds left may be one apart."""
    if ours == theirs:
        return True
    if SECONDS_LEFT.sub(rb"\1", ours) != SECONDS_LEFT.sub(rb"\1", theirs):
        return False
    pairs = zip(SECONDS_LEFT.findall(ours), SECONDS_LEFT.findall(theirs))
    return all(abs(int(one[1]) - int(other[1])) <= 1 for one, other in pairs)


class Side:
    """A server and the connection to it."""

    def __init__(self, server):
        self.server = server
        self.replies = Replies()
        self.connect()

    def connect(self):
        self.connection = self.server.connect()
        self.connection.socket.setblocking(False)
        self.out = b""
        self.got = b""
        self.closed = False

    def pump(self):
        """Moves what can be moved now, in both directions."""
        try:
            if self.out:
                self.out = self.out[self.connection.socket.send(self.out):]
            data = self.connection.socket.recv(1 << 20)
            self.got += data
            self.closed = self.closed or not data
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True


class Difference(AssertionError):
    pass


class Duel:
    """Both servers and a seed."""

    def __init__(self, servers, seed, features):
        self.sides = [Side(server) for server in servers]
        self.seed = seed
        self.random = random.Random(seed)
        self.commands = differential_commands.Commands(self.random, features)
        self.fences = 0
        self.history = []

    def close(self):
        for side in self.sides:
            side.connection.close()

    def exchange(self, commands):
        """Sends the commands to both and returns the replies, up to a fence behind them."""
        for side in self.sides:
            side.got = b""
            side.out = side.replies.fill_in(b"".join(commands))
        pads = 0
        while True:
            self.fences += 1
            fence = b"EN kfence%d\r\n" % self.fences
            for side in self.sides:
                side.out += b"mg fence%d k\r\n" % self.fences
            if self.wait(fence, 0.5 if pads < 80 else WAIT_SECONDS):
                return [side.got for side in self.sides]
            # A command that was cut short waits for the rest of its value.
            pads += 1
            if pads > 80:
                raise Difference(f"seed {self.seed}: no end of {commands!r}: {[side.got[-300:] for side in self.sides]}")
            for side in self.sides:
                side.out += PAD

    def wait(self, fence, seconds):
        end = time.monotonic() + seconds
        waiting = self.sides
        while waiting and time.monotonic() < end:
            select.select([side.connection.socket for side in waiting],
                          [side.connection.socket for side in waiting if side.out], [], 0.05)
            for side in waiting:
                side.pump()
            waiting = [side for side in waiting if not side.closed and not side.got.endswith(fence)]
        return not waiting

    def dump(self):
        keys = [b"me " + key + b"\r\n" for key in differential_commands.KEYS]
        keys += [b"mg " + key + b" f s t u v q\r\n" for key in differential_commands.KEYS]
        return keys if self.random.random() < 0.5 else keys[:1]

    def group(self):
        commands = [self.commands.next() for _ in range(GROUP)] + self.dump()
        self.history = self.history[-40:] + commands
        got = [b"", b""]
        for part in parts(commands):
            got = [before + reply for before, reply in zip(got, self.exchange(part))]
        for side, reply in zip(self.sides, got):
            side.replies.learn(reply)
        ours, theirs = (side.replies.comparable(reply) for side, reply in zip(self.sides, got))
        closed = [side.closed for side in self.sides]
        # memcached drops replies that it has not sent yet when it closes.
        same = alike(ours[:len(theirs)] if all(closed) else ours, theirs)
        if not same or closed[0] != closed[1]:
            raise Difference(self.report(commands, ours, theirs, closed))
        if closed[0]:
            for side in self.sides:
                side.connection.close()
                side.connect()

    def report(self, commands, ours, theirs, closed):
        """The first line that differs, with what led there."""
        our_lines, their_lines = ours.split(b"\n"), theirs.split(b"\n")
        at = next((i for i, (a, b) in enumerate(zip(our_lines, their_lines)) if a != b), min(len(our_lines), len(their_lines)))
        sent = "\n".join(f"    {shortened(command)!r}" for command in self.history if not command.endswith(b" f s t u v q\r\n"))
        same, ours, theirs = ([shortened(line) for line in lines] for lines in (
            our_lines[max(0, at - 6):at], our_lines[at:at + 3], their_lines[at:at + 3]))
        return (f"seed {self.seed}, closed {closed}, line {at}\n  sent:\n{sent}\n"
                f"  same:   {same}\n  ours:   {ours}\n  theirs: {theirs}")

    def reset(self):
        self.exchange([b"flush_all\r\n"])


def parts(commands):
    """Pipelines that end before every command on a number: memcached pads a shorter one only when no reply that it
    has yet to send still holds the item."""
    start = 0
    for at, command in enumerate(commands):
        if at > start and command.split(b" ")[0].lower() in (b"incr", b"decr", b"ma"):
            yield commands[start:at]
            start = at
    yield commands[start:]


def shortened(command):
    command = re.sub(rb"(.)\1{9,}", rb"\1...", command, flags=re.DOTALL)
    return command if len(command) < 120 else command[:60] + b"..." + command[-30:]


def fight(servers, seed, groups, features):
    duel = Duel(servers, seed, features)
    try:
        duel.reset()
        for _ in range(groups):
            duel.group()
    finally:
        duel.close()


class DifferentialTest(unittest.TestCase):
    def setUp(self):
        self.features = Features.of(peer_version())
        self.ours = self.enterContext(harness.Server(reactors=2, memory=256))
        self.theirs = self.enterContext(Peer())

    def test_random_sequences_are_answered_alike(self):
        for seed in range(1, 13):
            fight([self.ours, self.theirs], seed, 60, self.features)


def long_run(arguments):
    features = Features.of(peer_version())
    end = time.monotonic() + arguments.minutes * 60
    seed, found = arguments.seed, 0
    with harness.Server(*arguments.options.split(), reactors=2, memory=256) as ours, Peer(*arguments.options.split()) as theirs:
        while time.monotonic() < end and found < arguments.findings:
            try:
                fight([ours, theirs], seed, 60, features)
            except Difference as difference:
                found += 1
                print(difference, flush=True)
            seed += 1
    print(f"{seed - arguments.seed} sequences, {found} differences")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="long run")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--findings", type=int, default=10, help="stop after so many differences")
    parser.add_argument("--options", default="", help="for both servers, e.g. -C")
    known, rest = parser.parse_known_args()
    if known.minutes:
        sys.exit(long_run(known))
    unittest.main(argv=sys.argv[:1] + rest)
