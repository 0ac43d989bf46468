"""Starts the real programs for the end-to-end tests, talks to them, and never leaves one behind.

The programs are named by the environment: SHARDMILL, SHARDMILL_CLI, SHARDMILL_BENCH.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

# As memcached, the server runs as root only when told so.
AS_ME = ["-u", "root"] if os.geteuid() == 0 else []
START_SECONDS = 60
REPLY_SECONDS = 60
STOP_SECONDS = 60


def program(name):
    path = os.environ.get(name)
    if not path:
        raise RuntimeError(f"the environment variable {name} must name the program to test")
    return path


def free_port():
    """A TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Connection:
    """A connection that speaks bytes and lines."""

    def __init__(self, address):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(REPLY_SECONDS)
            try:
                self.socket.connect(address)
            except OSError:
                self.socket.close()
                raise
        else:
            self.socket = socket.create_connection(address, timeout=REPLY_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(f"closed by the server, {self.buffer!r} was read")
        self.buffer += data

    def line(self):
        """One line without CR LF."""
        while b"\r\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def rest_line(self):
        """One line, or what came before the server closed."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            return self.line()
        return self.buffer

    def exactly(self, count):
        chunks, have = [self.buffer], len(self.buffer)
        while have < count:
            data = self.socket.recv(min(1 << 20, count - have))
            if not data:
                raise EOFError("closed by the server")
            chunks.append(data)
            have += len(data)
        joined = b"".join(chunks)
        self.buffer = joined[count:]
        return joined[:count]

    def rest(self):
        """Everything until the server closes."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self.fill()
        data, self.buffer = self.buffer, b""
        return data

    def ask(self, line):
        """Sends a line, returns one line."""
        self.send(line.encode() + b"\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.line().decode("utf-8", "replace")

    def expect(self, test, sent, wanted):
        """Sends bytes and compares the reply, byte by byte."""
        self.send(sent)
        test.assertEqual(self.exactly(len(wanted)), wanted)

    def set(self, key, value, flags=0, exptime=0):
        self.send(b"set %s %d %d %d\r\n%s\r\n" % (key, flags, exptime, len(value), value))
        return self.line()

    def get(self, key):
        """The value, or None."""
        self.send(b"get " + key + b"\r\n")
        head = self.line()
        if head == b"END":
            return None
        value = self.exactly(int(head.split()[3]) + 2)[:-2]
        if self.line() != b"END":
            raise AssertionError("no END after a value")
        return value

    def stats(self, arguments=""):
        self.send(f"stats {arguments}".strip().encode() + b"\r\n")
        values = {}
        while (line := self.line()) != b"END":
            word, name, value = line.decode().split(" ", 2)
            if word != "STAT":
                raise AssertionError(line)
            values[name] = value
        return values

    def command(self, line, payload=None):
        """A batch or snapshot command: (final line, rows)."""
        self.send(line.encode() + b"\r\n" + (payload + b"\r\n" if payload is not None else b""))
        rows = []
        while True:
            reply = self.line().decode("utf-8", "replace")
            if not reply.startswith("VA "):
                return reply, rows
            words = reply.split(" ")
            value = self.exactly(int(words[1]) + 2)[:-2]
            key = next((word[1:] for word in words[2:] if word.startswith("k")), "")
            rows.append((key, value.decode("utf-8", "replace")))


class Server:
    """The server under test. Use as a context manager: it is stopped with SIGTERM and must end cleanly."""

    def __init__(self, *options, reactors=2, memory=64, unix=None, extended=()):
        self.port = None if unix else free_port()
        self.unix = unix
        listen = ["-s", unix] if unix else ["-l", "127.0.0.1", "-p", str(self.port)]
        self.command = [program("SHARDMILL"), *listen, "-t", str(reactors), "-m", str(memory), *options]
        if "-u" not in options:
            self.command += AS_ME
        if extended:
            self.command += ["-o", ",".join(extended)]
        self.process = None
        self.output = None
        self.opened = 0  # connections

    @property
    def address(self):
        return self.unix or ("127.0.0.1", self.port)

    @property
    def name(self):
        return self.unix or f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdout=self.output, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
                return self
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise AssertionError(f"{self.command} did not start: {self.text()}") from error
                time.sleep(0.01)

    def connect(self):
        connection = Connection(self.address)
        self.opened += 1
        return connection

    def text(self):
        """What the server has written so far."""
        self.output.seek(0)
        return self.output.read().decode("utf-8", "replace")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, number=signal.SIGTERM):
        """Asks the server to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop after signal {number}: {self.text()}") from None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            code = self.stop()
            if kind is None and code != 0:
                raise AssertionError(f"the server ended with {code}: {self.text()}")
            if kind is not None:
                sys.stderr.write(self.text())
        finally:
            self.kill()
            self.output.close()

    # What the kernel says about the process.

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait_for(condition, seconds=30):
    """Polls until the condition holds; its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def run(*command, **options):
    """Runs a program to its end with its output captured as text."""
    options.setdefault("timeout", 120)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)


class ServerCase(unittest.TestCase):
    """A test case with one server for all of its tests."""

    OPTIONS = ()
    SETTINGS = {}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="shardmill-e2e-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.server = Server(*cls.OPTIONS, **cls.SETTINGS)
        cls.enterClassContext(cls.server)

    def connect(self):
        connection = self.server.connect()
        self.addCleanup(connection.close)
        return connection

    def cli(self, *arguments, **options):
        return run(program("SHARDMILL_CLI"), "-s", self.server.name, *arguments, **options)
