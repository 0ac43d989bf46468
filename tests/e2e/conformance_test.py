"""The case tables of tests/conformance over TCP, with one reactor and with four: whole, in one piece, cut at every byte."""

import pathlib
import sys
import unittest

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
import case_table  # noqa: E402
import runner  # noqa: E402

# Input up to here is cut into two pieces at every place; longer input is only sent byte by byte.
CUT_BYTES_MAX = 120
SINGLE_BYTES_MAX = 3000


def fresh(case):
    return "fresh" in case.needs


def may_be_cut(case):
    """A case with a server of its own would start one for every cut."""
    return not fresh(case) and case.only != "whole"


def options_of(case):
    return tuple(option for option in case.needs if option != "fresh")


class TablesCase:
    """The tests; a subclass says how many reactors."""

    REACTORS = 0

    def run_all(self, wanted, run, more_options=()):
        """Runs the cases for which `wanted` holds, grouped by the options they need; every failure is reported."""
        groups = {}
        for cases in case_table.read_all().values():
            for case in cases:
                if wanted(case) and not case.has_clock():
                    key = (options_of(case), str(case) if fresh(case) else "")
                    groups.setdefault(key, []).append(case)
        self.assertGreater(len(groups), 0)
        for (options, _), cases in groups.items():
            with harness.Server(*options, *more_options, reactors=self.REACTORS) as server:
                control = runner.Control(server.address)
                for case in cases:
                    with self.subTest(case=str(case)):
                        run(case, server.address, control)
                control.close()

    def test_one_exchange_after_the_other(self):
        self.run_all(lambda case: True, runner.run_case)

    def test_every_exchange_in_a_datagram(self):
        def wanted(case):
            # Nothing is kept from one datagram to the next, and nothing can be closed.
            return not (fresh(case) or case.only or case.closes()) and case.input_bytes() <= SINGLE_BYTES_MAX

        port = harness.free_port()

        def run(case, _, control):
            runner.run_case(case, ("127.0.0.1", port), control, kind=runner.DatagramRun)

        self.run_all(wanted, run, ("-U", str(port)))

    def test_all_in_one_piece(self):
        def run(case, *server):
            runner.run_case(case, *server, pipelined=True)

        self.run_all(lambda case: not fresh(case) and all(exchange.is_fixed() for exchange in case.exchanges), run)

    def test_every_byte_in_a_segment_of_its_own(self):
        def run(case, *server):
            runner.run_case(case, *server, pieces=lambda data: [data[i:i + 1] for i in range(len(data))],
                            settle=self.REACTORS == 1)

        self.run_all(lambda case: case.input_bytes() <= SINGLE_BYTES_MAX and may_be_cut(case), run)

    def test_two_pieces_cut_at_every_place(self):
        def run(case, *server):
            longest = max(len(exchange.request(dict.fromkeys(names(exchange), 1))) for exchange in case.exchanges)
            for at in range(1, longest + 20):
                runner.run_case(case, *server, pieces=lambda data, at=at: [data[:at], data[at:]], settle=True)

        def names(exchange):
            return [piece.name for piece in exchange.send if isinstance(piece, case_table.Hole)]

        self.run_all(lambda case: may_be_cut(case) and case.input_bytes() <= CUT_BYTES_MAX, run)


class OneReactorTest(TablesCase, unittest.TestCase):
    REACTORS = 1


class FourReactorsTest(TablesCase, unittest.TestCase):
    REACTORS = 4


if __name__ == "__main__":
    unittest.main()
