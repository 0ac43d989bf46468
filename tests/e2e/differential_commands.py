"""Random command sequences for differential_test.py, made from a seed.

A command is bytes in which two marks stand for what differs between servers: `\\0C<key>;<offset>\\0` is the CAS of
a key as that server last showed it plus an offset. Everything else goes to both servers as it is.
"""

import base64
import re
import time

KEYS = [b"a", b"bb", b"counter", b"tab\tkey", b"\x01\x7f\xff", b"k" * 250, b"\x80first"]
MISSING = [b"missing", b"m" * 200]
NUMBERS = [b"0", b"1", b"5", b"10", b"99", b"100", b"007", b"9223372036854775807", b"9223372036854775808",
           b"18446744073709551614", b"18446744073709551615"]
NEAR_NUMBERS = [b" 5", b"+7", b"-1", b"-", b"5 ", b"5x", b"x5", b"", b"18446744073709551616", b"0x10", b"\t12", b"12\n",
                b"1.5", b"99999999999999999999", b"12\0", b"12  34", b"1" + b" " * 40]
EXPTIMES = [b"0", b"0", b"0", b"0", b"-1", b"1000", b"2592000", b"2592001", b"2147483647", b"-2147483648"]
BAD_NUMBERS = [b"", b"x", b"-", b"+2000", b"1x", b"0x1", b"4294967296", b"-1", b"18446744073709551616", b"99999999999999999999999",
               b"1.0", b"2147483648", b"-2147483649", b"noreply"]
META_LETTERS = b"bcfhklqstvuxCDEFIJMNORTSPL"


def encoded(key):
    return base64.b64encode(key)


class Commands:
    """Endless random commands. `features` says what the peer's version is able to do (differential_test.py)."""

    def __init__(self, random, features):
        self.random = random
        self.features = features
        self.writers = [self.store] * 6 + [self.meta_set] * 6 + [self.delta] * 3 + [self.touch]
        self.readers = [self.get] * 3 + [self.gat] + [self.meta_get] * 6 + [self.meta_debug]
        self.others = [self.delete] * 2 + [self.meta_delete] * 4 + [self.meta_arithmetic] * 4 + [self.odd] * 2 + [self.plain]

    def next(self):
        kind = self.random.random()
        table = self.writers if kind < 0.45 else self.readers if kind < 0.75 else self.others
        command = self.random.choice(table)()
        # Without its CAS and its end a command would mean something else to each server or come in pieces.
        # A large number may become the length. More words behind a delete are an error here (memccapable insists).
        # memcached overlooks the last flag of me.
        whole = len(command) < 1000 and not re.search(rb"\0C|^delete|^flush_all|^(me|stats) |\d{7}", command)
        if self.features.malformed and whole and self.random.random() < 0.04:
            command = self.spoilt(command)
        return command

    # Parts

    def chance(self, share):
        return self.random.random() < share

    def key(self):
        return self.random.choice(MISSING) if self.chance(0.05) else self.random.choice(KEYS)

    def exptime(self):
        if self.chance(0.1):
            return b"%d" % (int(time.time()) + self.random.choice([-100000, 5000, 100000]))
        # 1.6.18 shows a deadline in 2038 as negative.
        return self.random.choice(EXPTIMES if self.features.malformed else EXPTIMES[:-2])

    def flags(self):
        return self.random.choice([b"0", b"0", b"1", b"77", b"4294967295"])

    def value(self):
        # 1.6.18 looks for the end of a number, and for a minus sign if it is over 2^63, behind the value's end.
        kind = self.random.random()
        if kind < 0.35 or kind < 0.5 and not self.features.malformed:
            return self.random.choice(NUMBERS if self.features.malformed else NUMBERS[:7])
        if kind < 0.5:
            return self.random.choice(NEAR_NUMBERS)
        if kind < 0.9 and self.features.malformed:
            value = self.random.randbytes(self.random.randrange(40))
            return b"_" if value.isspace() else value  # incr looks for the number behind it
        if kind < 0.98:
            return b"v" * self.random.randrange(5000)
        return self.large()

    def large(self):
        """Around the sizes where something changes: pinned and uploaded values, chunks, the largest item."""
        edge = self.random.choice([16384, 32768, 65536, 524288, 1048576 - 400, 1048576 - 62, 1048576])
        return b"L" * max(0, edge + self.random.randrange(-70, 70))

    def number(self, good):
        if self.features.malformed and self.chance(0.06):
            return self.random.choice(BAD_NUMBERS)
        return good

    def cas(self, key):
        kind = self.random.random()
        if kind < 0.3:  # below, above or equal to all that the servers choose, E included
            return self.random.choice([b"0", b"1", b"9223372036854775806", b"18446744073709551615"])
        return b"\0C" + encoded(key) + b";%d\0" % self.random.choice([0, 0, 0, -1])

    def block(self, value):
        end = b"\r\n"
        if self.features.malformed and self.chance(0.02):
            end = self.random.choice([b"\n\r", b"xx", b"\r\r", b"  "])
        return b"\r\n" + value + end

    def noreply(self):
        return b" noreply" if self.chance(0.06) else b""

    def line(self, *tokens):
        gap = b"  " if self.chance(0.03) else b" "
        return gap.join(tokens)

    # Classic commands

    def store(self):
        verb = self.random.choice([b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas"])
        key, value = self.key(), self.value()
        tokens = [verb, key, self.flags(), self.exptime(), b"%d" % len(value)]
        if verb == b"cas":
            tokens.append(self.number(self.cas(key)))
        elif len(value) < 1000:  # else what follows a missing number is a line that is too long
            tokens[2:4] = [self.number(token) for token in tokens[2:4]]
        return self.line(*tokens) + self.noreply() + self.block(value)

    def get(self):
        keys = [self.key() for _ in range(self.random.choice([1, 1, 1, 2, 5]))]
        return self.line(self.random.choice([b"get", b"gets"]), *keys) + b"\r\n"

    def gat(self):
        keys = [self.key() for _ in range(self.random.choice([1, 1, 3]))]
        return self.line(self.random.choice([b"gat", b"gats"]), self.number(self.exptime()), *keys) + b"\r\n"

    def delta(self):
        amount = self.random.choice(NUMBERS if self.features.malformed else NUMBERS[:7])
        return self.line(self.random.choice([b"incr", b"decr"]), self.key(), self.number(amount)) + self.noreply() + b"\r\n"

    def touch(self):
        return self.line(b"touch", self.key(), self.number(self.exptime())) + self.noreply() + b"\r\n"

    def delete(self):
        rest = self.random.choice([b"", b"", b"", b" 0", b" noreply", b" 10 noreply", b" 5"][:None if self.features.malformed else 5])
        return self.line(b"delete", self.key()) + rest + b"\r\n"

    def plain(self):
        return self.random.choice([b"mn\r\n", b"verbosity 0\r\n", b"flush_all\r\n", b"flush_all 0\r\n", b"flush_all noreply\r\n",
                                   b"flush_all -1\r\n"])

    # Meta commands

    def meta_key(self):
        """(key, as sent, b flag or nothing)"""
        key = self.key()
        if self.chance(0.25) and len(encoded(key)) <= 250:
            return key, encoded(key), [b"b"]
        return key, key, []

    def meta_flag(self, letter, key):
        token = {b"C": lambda: self.number(self.cas(key)), b"D": lambda: self.number(self.random.choice(NUMBERS[:None if self.features.malformed else 7])),
                 b"J": lambda: self.number(self.random.choice(NUMBERS[:None if self.features.malformed else 7])),
                 b"E": lambda: self.number(self.random.choice([b"1", b"9223372036854775807"])),
                 b"F": lambda: self.number(self.flags()), b"N": lambda: self.number(self.exptime()),
                 b"T": lambda: self.number(self.exptime()), b"R": lambda: self.number(self.random.choice([b"0", b"30", b"1100"])),
                 b"O": lambda: self.random.choice([b"", b"o", b"opaque", b"o" * 31]),
                 b"P": lambda: b"/path", b"L": lambda: b"x"}.get(letter)
        return letter + (token() if token else b"")

    def meta_flags(self, usual, key, have):
        letters = []
        for _ in range(self.random.choice([0, 1, 1, 2, 3, 4, 6])):
            odd = self.features.odd_flags and self.chance(0.05)
            letter = self.random.choice(META_LETTERS if odd else usual)
            letter = bytes([letter])
            repeated = letter in letters or letter in [flag[:1] for flag in have]
            if letter in self.features.unknown_flags or repeated and not (self.features.malformed and self.chance(0.05)):
                continue
            letters.append(letter)
        flags = [self.meta_flag(letter, key) for letter in letters] + have
        if b"I" in letters:
            # A key that is deleted and made anew may have a smaller CAS than it had: only with I does that show.
            flags = [self.random.choice([b"C0", b"C1", b"C9223372036854775806"]) if flag[:1] == b"C" else flag for flag in flags]
        self.random.shuffle(flags)
        return flags

    def meta_get(self):
        key, sent, have = self.meta_key()
        return self.line(b"mg", sent, *self.meta_flags(b"cfhkstvvvuqOCNERT", key, have)) + b"\r\n"

    def meta_set(self):
        key, sent, have = self.meta_key()
        if self.chance(0.4):
            have.append(b"M" + self.random.choice([b"S", b"E", b"A", b"P", b"R", b"s", b"", b"Ax", b"Z"][:self.features.modes]))
        value = self.value()
        flags = self.meta_flags(b"cCEFIkOqTNs"[:None if self.features.malformed else -1], key, have)
        length = b"%d" % len(value)
        # After an error behind E memcached gives its CAS to the connection's next item. What follows a bad length is
        # read as a line, which must not be too long.
        explicit = any(flag[:1] == b"E" for flag in flags)
        if len(value) < 1000 and not explicit:
            length = self.number(length)
        line = self.line(b"ms", sent, length, *flags)
        return line + (b"\r\n" + value + b"\r\n" if explicit else self.block(value))

    def meta_delete(self):
        key, sent, have = self.meta_key()
        return self.line(b"md", sent, *self.meta_flags(b"CEIIkOqTx", key, have)) + b"\r\n"

    def meta_arithmetic(self):
        key, sent, have = self.meta_key()
        if self.chance(0.5):
            have.append(b"M" + self.random.choice([b"I", b"D", b"+", b"-", b"i", b"", b"X"][:self.features.modes]))
        # memcached forgets E and T when the number gets longer.
        flags = self.meta_flags(b"CEDJNTOqtcvk", key, have)
        if any(flag[:1] in (b"E", b"T") for flag in flags):
            flags = [flag for flag in flags if flag[:1] != b"D"] + [b"D0"]
        return self.line(b"ma", sent, *flags) + b"\r\n"

    def meta_debug(self):
        key, sent, have = self.meta_key()
        # Without a second flag memcached overlooks b.
        return self.line(b"me", sent, *have, *([b"v"] if have else [])) + b"\r\n"

    # What is wrong

    def odd(self):
        if not self.features.malformed:
            return b"mn\r\n"
        long_key = b"q" * 251
        return self.random.choice([
            b"ab\r\n", b"nonsense\r\n", b"GET a\r\n", b"set\r\n", b"get\r\n", b"gets \r\n", b"gat\r\n", b"gat 1\r\n", b"touch a\r\n",
            b"incr a\r\n", b"incr\r\n", b"delete\r\n", b"a\r\n", b"\r\n", b" \n", b"get a\n", b"version\r\n", b"version x\r\n",
            b"set a 0 0 1 1 1\r\nx\r\n", b"set a 0 0 -1\r\n", b"set a 0 0 x\r\n",
            b"set " + long_key + b" 0 0 2\r\nxx\r\n", b"ms " + long_key + b" 2\r\nxx\r\n", b"incr " + long_key + b" 1\r\n",
            b"delete " + long_key + b"\r\n", b"touch " + long_key + b" 0\r\n", b"mg " + long_key + b" v\r\n",
            b"mg\r\n", b"ms\r\n", b"ms a\r\n", b"ms a x\r\n", b"ms a -1\r\n", b"md\r\n", b"ma\r\n", b"me\r\n", b"mz a\r\n",
            b"mg a " + b" ".join([b"v"] * 25) + b"\r\n", b"mg a !\r\n", b"mg a {\r\n", b"mg a 5\r\n", b"mg a v v\r\n",
            b"mg %%% b v\r\n", b"mg YQ b v\r\n", b"ms a S2\r\nxx\r\n", b"ms a 2 S\r\nxx\r\n", b"ms a 2 MX\r\nxx\r\n",
            b"ms a 2 T\r\nxx\r\n", b"ms a 2 F-1\r\nxx\r\n", b"ms a 2 C\r\nxx\r\n", b"ma a MX\r\n", b"ma a D\r\n", b"ma a Nx\r\n",
            b"ms a 2 O" + b"o" * 40 + b"\r\nxx\r\n", b"mg a O" + b"o" * 32 + b"\r\n", b"cas a 0 0 1\r\nx\r\n", b"cas a 0 0 1 x\r\nx\r\n", b"cas a 0 0 1 1 noreply\r\nx\r\n",
            b"delete noreply\r\n", b"get noreply\r\n", b"touch a noreply\r\n", b"set noreply 0 0 1 noreply\r\nx\r\n",
            b"set a 4294967296 0 1\r\nx\r\n", b"set a -1 0 1\r\nx\r\n", b"set a 0 4294967296 1\r\nx\r\n", b"set a 0 99999999999999999999 1\r\nx\r\n",
            b"mn x\r\n", b"verbosity\r\n", b"verbosity x\r\n", b"flush_all x\r\n", b"flush_all -1 noreply\r\n", b"cache_memlimit\r\n",
            b"cache_memlimit x\r\n", b"cache_memlimit 7\r\n", b"cache_memlimit 1000000001\r\n", b"shutdown\r\n", b"stats nonsense\r\n", b"slabs\r\n", b"lru\r\n", b"verbosity 1 2 3\r\n", b"set a 0 0 1048577\r\n" + b"z" * 1048577 + b"\r\n",
            b"append a 0 0 1048577\r\n" + b"z" * 1048577 + b"\r\n", b"ms a 1048577 ME\r\n" + b"z" * 1048577 + b"\r\n",
            b"add a 0 0 1048600 noreply\r\n" + b"z" * 1048600 + b"\r\n"])

    def spoilt(self, command):
        """A command with one thing wrong with its line."""
        line, end, rest = command.partition(b"\r\n")
        tokens = line.split(b" ")
        what = self.random.randrange(5)
        at = self.random.randrange(len(tokens))
        if what == 0:
            del tokens[at]
        elif what == 1:
            tokens.insert(at, self.random.choice([b"0", b"1", b"x", b"noreply", b""]))
        elif what == 2:
            tokens[at] = self.random.choice(BAD_NUMBERS)
        elif what == 3:
            tokens.append(self.random.choice([b"noreply", b"extra", b"1", b""]))
        else:
            tokens[0] = tokens[0].upper()
        return b" ".join(tokens) + end + rest
