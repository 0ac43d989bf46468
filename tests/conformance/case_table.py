"""Reads the case tables (tables/*.txt, described in README.md) for the runners that use a socket."""

import pathlib
import re
import struct
import time

TABLES = pathlib.Path(__file__).resolve().parent / "tables"

OPCODES = {
    "get": 0x00, "set": 0x01, "add": 0x02, "replace": 0x03, "delete": 0x04, "increment": 0x05, "decrement": 0x06,
    "quit": 0x07, "flush": 0x08, "getq": 0x09, "noop": 0x0A, "version": 0x0B, "getk": 0x0C, "getkq": 0x0D,
    "append": 0x0E, "prepend": 0x0F, "stat": 0x10, "setq": 0x11, "addq": 0x12, "replaceq": 0x13, "deleteq": 0x14,
    "incrementq": 0x15, "decrementq": 0x16, "quitq": 0x17, "flushq": 0x18, "appendq": 0x19, "prependq": 0x1A,
    "touch": 0x1C, "gat": 0x1D, "gatq": 0x1E, "sasl_list": 0x20, "sasl_auth": 0x21, "sasl_step": 0x22, "gatk": 0x23,
    "gatkq": 0x24,
}
CLOCK_SECONDS = 20  # a case does not take longer; a real clock goes on meanwhile
HEADER = struct.Struct(">BBHBBHIIQ")
EXTRAS = {"flags": ">I", "exptime": ">I", "delta": ">Q", "initial": ">Q"}
SIMPLE_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
TOKEN = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)|<(\d+)\*([^>]*)>|<(\d+)s>|<([a-z]+)([+-]\d+)?>|([^\\<]+)|(.)", re.DOTALL)
STEP = re.compile(r"(?:\[([^\]]+)\] )?(>\||>b|>|<\||<b|<\*|<closed|<nothing|<stop|<)(?: (.*))?")


class Hole:
    """A place in what is sent or expected whose bytes are known only while a case runs.

    kind: "number" (decimal), "u64" (eight bytes), "seconds" (left of `offset`), "word", "rest" (of the line), "lines"
    (any whole lines), "now".
    name: what a number is bound to on first sight; None: any number."""

    def __init__(self, kind, name=None, offset=0):
        self.kind, self.name, self.offset = kind, name, offset

    def value(self, bound):
        base = int(time.time()) if self.kind == "now" else bound[self.name]
        return (base + self.offset) % (1 << 64)

    def render(self, bound):
        value = self.value(bound)
        return struct.pack(">Q", value) if self.kind == "u64" else b"%d" % value


def parse_bytes(text):
    """Text with escapes and holes -> a list of bytes and Holes."""
    pieces = []
    for token in TOKEN.finditer(text):
        code, escape, times, what, seconds, name, offset, plain, other = token.groups()
        if code:
            pieces.append(bytes([int(code, 16)]))
        elif escape:
            pieces.append(SIMPLE_ESCAPES.get(escape, escape.encode()))
        elif times:
            pieces.append(b"".join(parse_bytes(what)) * int(times))
        elif seconds:
            pieces.append(Hole("seconds", None, int(seconds)))
        elif name in ("word", "rest", "now"):
            pieces.append(Hole(name, None, int(offset or 0)))
        elif name:
            pieces.append(Hole("number", None if name == "number" else name, int(offset or 0)))
        else:
            pieces.append((plain or other).encode())
    return joined(pieces)


def joined(pieces):
    """The same with neighbouring bytes put together."""
    result = []
    for piece in pieces:
        if isinstance(piece, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += piece
        elif piece != b"":
            result.append(piece)
    return result


def number_or_hole(text):
    if text.startswith("<"):
        hole = parse_bytes(text)[0]
        hole.kind = "u64"
        return hole
    return int(text, 0)


def packet(text, magic):
    """The notation of a binary packet -> bytes and Holes."""
    words, _, value = text.partition(" value=")
    op, *fields = words.split(" ")
    fields = dict(field.split("=", 1) for field in fields)
    extras = b"".join(struct.pack(layout, int(fields[name], 0))
                      for name in fields for layout in [EXTRAS.get(name)] if layout)
    extras += b"".join(parse_bytes(fields.get("extras", "")))
    key = b"".join(parse_bytes(fields.get("key", "")))
    body = parse_bytes(value) if value else []
    if "u64" in fields:
        body = [struct.pack(">Q", int(fields["u64"], 0))]
    number = lambda name, default: int(fields.get(name, str(default)), 0)
    body_bytes = len(extras) + len(key) + sum(8 if isinstance(piece, Hole) else len(piece) for piece in body)
    head = HEADER.pack(number("magic", magic), OPCODES[op] if op in OPCODES else int(op, 0),
                       number("keylen", len(key)), number("extlen", len(extras)), number("datatype", 0),
                       number("status", 0), number("bodylen", body_bytes), number("opaque", 0), 0)[:16]
    cas = number_or_hole(fields.get("cas", "0"))
    cas = cas if isinstance(cas, Hole) else struct.pack(">Q", cas)
    return joined([head, cas, extras, key, *body])


class Expectation:
    """What must come back: pieces, whether the connection is closed behind them, and whether the case ends there."""

    def __init__(self):
        self.pieces, self.closed, self.stop = [], False, False

    def add(self, kind, text):
        if kind == "<":
            self.pieces += parse_bytes(text) + [b"\r\n"]
        elif kind == "<|":
            self.pieces += parse_bytes(text)
        elif kind == "<b":
            self.pieces += packet(text, 0x81)
        elif kind == "<*":
            self.pieces.append(Hole("lines"))
        elif kind == "<closed":
            self.closed = True
        elif kind == "<stop":
            self.stop = True
        self.pieces = joined(self.pieces)

    def match(self, data, bound):
        """(bytes matched, None) or (-1, None): more is needed; or (place of the first difference, what was wanted)."""
        at, skip_lines = 0, False
        for piece in self.pieces:
            if isinstance(piece, Hole) and piece.kind == "lines":
                skip_lines = True
                continue
            end, wanted = match_piece(piece, data, at, bound)
            while skip_lines and wanted is not None:
                line_end = data.find(b"\n", at)
                if line_end < 0:
                    return -1, None
                at = line_end + 1
                end, wanted = match_piece(piece, data, at, bound)
            skip_lines = False
            if end < 0 or wanted is not None:
                return end, wanted
            at = end
        return at, None


def match_piece(piece, data, at, bound):
    if isinstance(piece, Hole) and piece.kind == "u64" and piece.name not in bound:
        if len(data) < at + 8:
            return -1, None
        if piece.name:
            bound[piece.name] = struct.unpack_from(">Q", data, at)[0]
        return at + 8, None
    if isinstance(piece, Hole) and (piece.kind in ("word", "rest", "seconds") or piece.kind == "number" and piece.name not in bound):
        pattern = {"word": rb"[^ \r\n]+", "rest": rb"[^\r\n]*", "number": rb"-?\d+", "seconds": rb"\d+"}[piece.kind]
        found = re.compile(pattern).match(data, at)
        if found is None or found.end() == len(data):
            return (-1, None) if found or at == len(data) else (at, f"a {piece.kind}".encode())
        if piece.kind == "seconds" and not piece.offset - CLOCK_SECONDS <= int(found.group()) <= piece.offset:
            return at, b"%d seconds, or a few less" % piece.offset
        if piece.name:
            bound[piece.name] = int(found.group())
        return found.end(), None
    wanted = piece.render(bound) if isinstance(piece, Hole) else piece
    have = data[at:at + len(wanted)]
    if have == wanted:
        return at + len(wanted), None
    return (-1, None) if wanted.startswith(have) else (at, wanted)


class Exchange:
    """What is sent in one piece, and what must come back for it; by version where it differs."""

    def __init__(self):
        self.send, self.wait = [], 0
        self.expectations = {None: Expectation()}

    def expected(self, version):
        return self.expectations.get(version, self.expectations[None])

    def request(self, bound):
        return b"".join(piece.render(bound) if isinstance(piece, Hole) else piece for piece in self.send)

    def is_fixed(self):
        """Whether it can be sent without what came before."""
        return not self.wait and not any(isinstance(piece, Hole) and piece.kind != "now" for piece in self.send)


class Case:
    def __init__(self, table, name, line):
        self.table, self.name, self.line = table, name, line
        self.needs, self.only, self.exchanges = [], None, []
        self.differs, self.lacks = {}, {}  # version -> why

    def __str__(self):
        return f"{self.table}:{self.line}: {self.name}"

    def is_binary(self):
        return any(isinstance(piece, bytes) and piece[:1] == b"\x80" for piece in self.exchanges[0].send[:1])

    def has_clock(self):
        return any(exchange.wait for exchange in self.exchanges)

    def closes(self):
        return any(exchange.expectations[None].closed for exchange in self.exchanges)

    def input_bytes(self):
        return sum(len(piece) if isinstance(piece, bytes) else 8
                   for exchange in self.exchanges for piece in exchange.send)


def read_step(case, line):
    step = STEP.fullmatch(line)
    if step is None:
        raise ValueError(f"{case}: what is {line!r}?")
    versions, kind, text = step.groups()
    text = text or ""
    sending = kind[0] == ">"
    if not case.exchanges or (sending and case.exchanges[-1].answered):
        case.exchanges.append(Exchange())
        case.exchanges[-1].answered = False
    exchange = case.exchanges[-1]
    if sending:
        exchange.send += packet(text, 0x80) if kind == ">b" else parse_bytes(text) + [b"\r\n"] * (kind == ">")
        exchange.send = joined(exchange.send)
        return
    exchange.answered = True
    for version in versions.split(",") if versions else [None]:
        if version is not None and version not in case.differs:
            raise ValueError(f"{case}: says nothing of why {version} differs")
        exchange.expectations.setdefault(version, Expectation()).add(kind, text)


def read_table(path):
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if word == "case":
            cases.append(Case(path.name, rest, number))
        elif word == "needs":
            cases[-1].needs = rest.split()
        elif word == "only":
            cases[-1].only = rest.partition(": ")[0]
        elif word == "differs":
            versions, _, why = rest.partition(": ")
            cases[-1].differs |= {version: why for version in versions.split(",")}
        elif word == "lacks":
            versions, _, why = rest.partition(": ")
            cases[-1].lacks |= {version: why for version in versions.split(",")}
        elif word == "wait":
            exchange = Exchange()
            exchange.wait, exchange.answered = int(rest), True
            cases[-1].exchanges.append(exchange)
        else:
            read_step(cases[-1], line)
    return cases


def read_all():
    """Every case of every table, by table."""
    return {path.name: read_table(path) for path in sorted(TABLES.glob("*.txt"))}
