"""The loads that are measured: one file each in scenarios/, in the order of their names."""

import dataclasses
import pathlib
import tomllib

from servers import Failure

DIRECTORY = pathlib.Path(__file__).resolve().parent / "scenarios"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What a file says."""
    name: str
    title: str
    goal: dict                     # figure: at most; see side_by_side
    threads: int = 1               # -t of the servers
    connections: int = 50
    in_flight: int = 1             # requests on each connection
    sets_to_gets: str = "0:1"
    multiget: int = 1              # keys in a get
    distribution: str = "uniform"
    keys: int = 1_000_000          # stored, of 24 bytes
    requested_keys: int = 0        # of those, the first so many are asked for; 0: all
    value_bytes: int = 100
    half_rate: bool = False        # on schedule, at half of what the slower server can do at most
    idle_connections: int = 0      # no load: these are opened, and the memory they take is measured

    @property
    def store(self):
        """What the servers are started with and hold; scenarios with the same store share them."""
        return self.threads, self.keys, self.value_bytes

    @property
    def has_sets(self):
        return not self.sets_to_gets.startswith("0:")


def read(path):
    with open(path, "rb") as file:
        fields = tomllib.load(file)
    try:
        return Scenario(name=path.stem, **fields)
    except TypeError as error:
        raise Failure(f"{path}: {error}") from None


def load(names):
    """All scenarios, or those whose names begin with one of `names`."""
    found = [read(path) for path in sorted(DIRECTORY.glob("*.toml"))]
    for name in names:
        if not any(scenario.name.startswith(name) for scenario in found):
            raise Failure(f"there is no scenario '{name}'; there are {' '.join(s.name for s in found)}")
    return [scenario for scenario in found if not names or scenario.name.startswith(tuple(names))]
