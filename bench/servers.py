"""What the benches share: a server under measurement, the memcached beside it, and what the kernel says about them."""

import concurrent.futures
import functools
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

REFERENCE_VERSION = (1, 6, 45)


class Failure(Exception):
    """What is reported to the user, without a traceback."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_cpu_s(pid):
    """CPU seconds charged to a process so far: the clock the kernel keeps for it (see clock_getcpuclockid)."""
    scheduler_clock = 2
    return time.clock_gettime((~pid << 3) | scheduler_clock)


class Bystanders:
    """How many cores processes that are no part of the measurement used between two calls."""

    def __init__(self, servers):
        self.servers = servers
        self.start, self.busy, self.own = time.monotonic(), self.machine_busy_s(), self.own_s()

    @staticmethod
    def machine_busy_s():
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, *_ = map(int, file.readline().split()[1:])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    def own_s(self):
        own = sum(process_cpu_s(server.process.pid) for server in self.servers)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            own += usage.ru_utime + usage.ru_stime
        return own

    def cores(self):
        busy, own = self.machine_busy_s() - self.busy, self.own_s() - self.own
        return max(0.0, (busy - own) / (time.monotonic() - self.start))


@functools.cache
def warn_if_slow_build(program):
    """Says, once for each program, when meson built it in a way whose figures mean nothing."""
    try:
        with open(os.path.join(os.path.dirname(program), "meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
            built = {option["name"]: option["value"] for option in json.load(file)}
    except OSError:
        return
    if built["optimization"] in ("0", "g") or built["b_sanitize"] != "none":
        print(f"warning: {program} was built with optimization={built['optimization']}, b_sanitize={built['b_sanitize']}: "
              "what is measured means nothing", file=sys.stderr)


class Server:
    """shardmill or memcached, running on a free port."""

    def __init__(self, name, program, threads, memory, *options, connections=4096):
        self.name, self.program = name, program
        self.port = free_port()
        warn_if_slow_build(program)
        self.command = [program, "-l", "127.0.0.1", "-p", str(self.port), "-t", str(threads), "-m", str(memory),
                        "-c", str(connections), "-U", "0", *options]
        if os.geteuid() == 0:
            self.command += ["-u", "root"]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    raise Failure(f"{' '.join(self.command)} ended: "
                                  f"{self.process.stderr.read().decode(errors='replace').strip()}") from None
                if time.monotonic() > end:
                    self.__exit__()
                    raise Failure(f"{self.name} does not listen after 30 s") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()

    def stats(self, arguments=""):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(f"stats {arguments}".strip().encode() + b"\r\n")
            text = b""
            while not text.endswith(b"END\r\n"):
                data = connection.recv(65536)
                if not data:
                    raise Failure(f"{self.name} closed the connection")
                text += data
        return {line.split()[1]: line.split()[2] for line in text.decode().splitlines() if line.startswith("STAT ")
                and len(line.split()) > 2}

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Floor(Server):
    """Our own ring code without a store, see floor/."""

    def __init__(self, program, threads, value_bytes):
        super().__init__("floor", program, threads, 0)
        self.command = [program, "-p", str(self.port), "-t", str(threads), "--value-size", str(value_bytes)]


class HalfLoad:
    """Gets at half of the most that a server answers: what else it does shows in their latency."""

    def __init__(self, generator, server, items, value_bytes, seconds, connections=20):
        self.command = [generator, "-s", f"127.0.0.1:{server.port}", "--keys", str(items), "--ratio", "0:1", "--value-size",
                        str(value_bytes), "-c", str(connections), "--json", "--duration", str(seconds), "--warmup", "0.5"]
        most = self.run()["requests_per_s"]
        self.rate = round(most / 2)

    def run(self, *arguments):
        done = subprocess.run([*self.command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"shardmill-bench failed: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def p99_beside(self, work, rounds):
        """Medians of p99 in us, alone and while `work()` is done over and over, and how often it was done."""
        alone, beside, times = [], [], 0
        for _ in range(rounds):
            alone.append(self.p99())
            stop = threading.Event()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                doing = pool.submit(repeat, work, stop)
                beside.append(self.p99())
                stop.set()
                times += doing.result()
        return statistics.median(alone), statistics.median(beside), times

    def p99(self):
        return self.run("--rate", str(self.rate))["latency_us"]["all"]["p99"]


def repeat(work, stop):
    times = 0
    while not stop.is_set():
        work()
        times += 1
    return times


def peer_version(program):
    done = subprocess.run([program, "-V"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", done.stdout)
    if not found:
        raise Failure(f"{program} -V does not name a version: {done.stdout.strip()!r}")
    return tuple(int(part) for part in found.groups())


def find_peer():
    program = os.environ.get("PEER_MEMCACHED") or shutil.which("memcached")
    if not program:
        raise Failure("there is no memcached: apt-get install memcached, or name one with PEER_MEMCACHED=/path")
    if not os.access(program, os.X_OK):
        raise Failure(f"PEER_MEMCACHED={program} cannot be run")
    return program


def describe_peer(program, version):
    text = f"peer: memcached {'.'.join(map(str, version))} ({program})"
    if version < REFERENCE_VERSION:
        text += ("\nThis is a weaker peer than memcached 1.6.45, which the goals are set against: older versions write "
                 "each reply\nof a pipeline on its own; Debian's 1.6.18 spends about 3.5 times as much on pipelined "
                 "gets.")
    return text
