"""Runs cases of the tables over a connection: whole, pipelined, or with their input cut into pieces."""

import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402  (it lies beside this folder)

REPLY_SECONDS = 30
# Answered with one fixed packet, whatever came before: shows that nothing more was sent.
TEXT_SENTINEL = (b"mn\r\n", b"MN\r\n")
BINARY_SENTINEL = (b"\x80\x0a" + bytes(22), b"\x81\x0a" + bytes(22))


def shown(data):
    text = data.decode("latin-1").encode("unicode_escape").decode()
    return text if len(text) < 1000 else f"{text[:500]} ... {text[-200:]} ({len(data)} bytes)"


class Mismatch(AssertionError):
    pass


class Control:
    """A second connection: empties the server between cases, moves its clock, and tells when it has read what was sent."""

    def __init__(self, address):
        self.connection = harness.Connection(address)
        self.connection.socket.settimeout(REPLY_SECONDS)
        self.moved = 0

    def close(self):
        self.connection.close()

    def empty(self):
        self.connection.ask("flush_all")

    def settle(self):
        """A server of one reactor that has answered this has read all that was sent to it before."""
        if self.connection.ask("mn") != "MN":
            raise Mismatch("no answer to mn")

    def hold_clock(self):
        """From here on the clock of a debug build of memcached moves only when told."""
        if self.connection.ask("debugtime p") != "OK":
            raise Mismatch("the server's clock cannot be moved")

    def pass_time(self, seconds):
        # Every debugtime adds its number to a sum, and the sum to a clock that is held.
        self.connection.ask(f"debugtime {seconds - self.moved}")
        self.moved = seconds


class Run:
    """One run of one case over a connection of its own. `pieces` cuts what is sent into pieces."""

    def __init__(self, case, address, control, version=None, pieces=lambda data: [data], settle=False):
        self.case, self.control, self.version, self.pieces, self.settle = case, control, version, pieces, settle
        self.socket = self.open(address)
        self.data, self.bound, self.closed = b"", {}, False

    def open(self, address):
        opened = socket.create_connection(address, timeout=REPLY_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def close(self):
        self.socket.close()

    def send(self, data):
        parts = self.pieces(data)
        for number, part in enumerate(parts):
            try:
                self.socket.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                return  # what it had to say before it closed is looked at all the same
            if self.settle and number + 1 < len(parts):
                self.control.settle()

    def receive(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        except TimeoutError:
            raise Mismatch("no answer, or not all of it") from None
        self.closed = not data
        self.data += data
        return bool(data)

    def expect(self, expectation):
        while True:
            bound = dict(self.bound)
            end, wanted = expectation.match(self.data, bound)
            if wanted is not None:
                raise Mismatch(f"wanted {shown(wanted)} at {end}")
            if end >= 0:
                break
            if not self.receive():
                raise Mismatch("closed before the reply was complete")
        self.bound = bound
        self.data = self.data[end:]
        if not expectation.closed:
            return
        while self.receive():
            pass
        if self.data:
            raise Mismatch("more came before the connection was closed")

    def exchange(self, exchange):
        if exchange.wait:
            self.control.pass_time(exchange.wait)
            return
        self.send(exchange.request(self.bound))
        try:
            self.expect(exchange.expected(self.version))
        except Mismatch as problem:
            raise Mismatch(f"{self.case}: after {shown(exchange.request(self.bound))}\n  got {shown(self.data)}\n  "
                           f"{problem}") from None

    def sentinel(self):
        """Nothing may have come that the case does not speak of."""
        if self.closed:
            return
        sent, wanted = BINARY_SENTINEL if self.case.is_binary() else TEXT_SENTINEL
        self.socket.sendall(sent)
        while len(self.data) < len(wanted) and self.receive():
            pass
        if self.data != wanted:
            raise Mismatch(f"{self.case}: unexpected at the end: {shown(self.data)}")

    def one_by_one(self):
        for exchange in self.case.exchanges:
            self.exchange(exchange)
            if self.closed or exchange.expected(self.version).stop:
                return
        self.sentinel()

    def pipelined(self):
        """Everything is sent before the first reply is looked at."""
        exchanges = self.case.exchanges
        self.send(b"".join(exchange.request({}) for exchange in exchanges))
        for exchange in exchanges:
            try:
                self.expect(exchange.expected(self.version))
            except Mismatch as problem:
                raise Mismatch(f"{self.case}, sent in one piece: before the reply to {shown(exchange.request({}))}\n"
                               f"  got {shown(self.data)}\n  {problem}") from None
            if self.closed:
                return
        self.sentinel()


class DatagramRun(Run):
    """The same over UDP, every exchange a datagram. The replies' datagrams are put together as they come."""

    FRAME = struct.Struct(">HHHH")  # request, number, datagrams, 0

    request = 0

    def open(self, address):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.settimeout(REPLY_SECONDS)
        opened.connect(address)
        return opened

    def send(self, data):
        self.request += 1
        self.socket.send(self.FRAME.pack(self.request, 0, 1, 0) + data)

    def receive(self):
        try:
            datagram = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Mismatch("no answer, or not all of it") from None
        request, _, _, reserved = self.FRAME.unpack_from(datagram)
        if (request, reserved) != (self.request, 0) or len(datagram) > 1400:
            raise Mismatch(f"a wrong frame: {shown(datagram)}")
        self.data += datagram[self.FRAME.size:]
        return True

    def sentinel(self):
        sent, wanted = BINARY_SENTINEL if self.case.is_binary() else TEXT_SENTINEL
        self.send(sent)
        while len(self.data) < len(wanted):
            self.receive()
        if self.data != wanted:
            raise Mismatch(f"{self.case}: unexpected at the end: {shown(self.data)}")


def run_case(case, address, control, pipelined=False, kind=Run, **options):
    """Empties the server and runs the case. Raises Mismatch."""
    if "fresh" not in case.needs:
        control.empty()
    if case.has_clock():
        control.hold_clock()
    run = kind(case, address, control, **options)
    try:
        if pipelined:
            run.pipelined()
        else:
            run.one_by_one()
    finally:
        run.close()
