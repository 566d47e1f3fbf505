"""Processor cores that are shared with other programs.

Between two parallel loops the threads of OpenMP wait for each other. GNU's OpenMP (libgomp), which
PyTorch's packages for Linux contain, waits in a busy loop of up to 300,000 rounds, some 7 ms. That
is fastest as long as each thread has a core. Where another program holds the core of one thread,
the others spend their share of the cores on waiting for it, and then wait for their own turn.

libgomp waits only 100 rounds while a process has more of its threads than there are cores
(https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html). So `sharing_cores` adds idle
threads while other programs are busy. Results stay the same to the last bit: as many threads as
before compute the same parts. Measured in benchmarks/results/load.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["CoreTime", "sharing_cores"]

SECONDS = 1.0  # between two measurements
# Cores that our threads would need and others use: beyond the first figure waiting threads no
# longer spin, below the second they do so again. Beside two threads that spin on two cores, one
# busy program gets no more than 2/3 of a core.
CONTENDED, FREE = 0.55, 0.4
ELEMENTS_PER_THREAD = 2**16  # PyTorch computes fewer than 2**15 without another thread

PROCESSES = Path("/proc")
# Where a user has chosen how threads wait, it stays so.
WAITING_CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")

ProcessKey = tuple[int, int]  # the id, and when it started


@contextmanager
def sharing_cores(on_message: Callable[[str], None] | None = None) -> Iterator[None]:
    """Keep PyTorch's threads from spinning for each other while other programs are busy.

    The cores that others use are measured each second, by a thread that also calls `on_message`, at
    the first change. Does nothing for a single thread, outside Linux, or where the environment has
    OMP_WAIT_POLICY or GOMP_SPINCOUNT.
    """
    threads = torch.get_num_threads()
    chosen = any(name in os.environ for name in WAITING_CHOSEN)
    if threads == 1 or chosen or not (PROCESSES / "stat").exists():
        yield
        return
    ended = threading.Event()
    monitor = Monitor(threads, os.sched_getaffinity(0), on_message)
    thread = threading.Thread(target=monitor.run, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass
class Monitor:
    """Measures other programs, and keeps idle threads while they are busy."""

    threads: int
    cores: Collection[int]
    on_message: Callable[[str], None] | None
    idle: IdleThreads | None = None

    def run(self, ended: threading.Event) -> None:
        """Measure until the event is set."""
        before = CoreTime.now(self.cores)
        try:
            while not ended.wait(SECONDS):
                now = CoreTime.now(self.cores)
                self.update(now.used_by_others(before))
                before = now
        finally:
            self.update(0.0)

    def update(self, others: float) -> None:
        """Add or release idle threads, by the number of cores that other programs use."""
        lacking = others - (len(self.cores) - self.threads)
        if self.idle is None and lacking > CONTENDED:
            self.idle = IdleThreads(self.threads, len(self.cores))
            if self.on_message is not None:
                self.on_message(
                    f"other processes use {others:.1f} of {len(self.cores)} cores: PyTorch's "
                    f"threads no longer spin while they wait, as long as that lasts"
                )
                self.on_message = None
        elif self.idle is not None and lacking < FREE:
            self.idle.release()
            self.idle = None


class IdleThreads:
    """Threads of OpenMP beside those that compute, together more than there are cores."""

    def __init__(self, threads: int, cores: int) -> None:
        self.released = threading.Event()
        # To each thread of Python that has computed something belong `threads - 1` of OpenMP.
        num_owners = max(cores - threads, 0) // (threads - 1) + 1
        self.owners = [
            threading.Thread(target=self.hold, args=(threads,), daemon=True)
            for _ in range(num_owners)
        ]
        for owner in self.owners:
            owner.start()

    def hold(self, threads: int) -> None:
        """Compute something with so many threads, and keep them idle."""
        torch.zeros(threads * ELEMENTS_PER_THREAD, dtype=torch.uint8).add_(1)
        self.released.wait()

    def release(self) -> None:
        """End the threads."""
        self.released.set()
        for owner in self.owners:
            owner.join()


@dataclass(frozen=True)
class CoreTime:
    """Seconds that some cores were busy so far, and those of this process and its descendants."""

    at: float
    cores: int
    busy: float
    own: float
    descendants: Mapping[ProcessKey, float]
    ended: float  # of the children that have ended, and of those that they have waited for

    @classmethod
    def now(cls, cores: Collection[int]) -> CoreTime:
        """Read the times of these cores."""
        stat = (PROCESSES / "stat").read_text(encoding="ascii")
        descendants = read_descendants(os.getpid())  # images are prepared by other processes
        times = os.times()
        return cls(
            at=time.monotonic(),
            cores=len(cores),
            busy=seconds_busy(stat, cores),
            own=time.process_time(),
            descendants=descendants,
            ended=times.children_user + times.children_system,
        )

    def used_by_others(self, before: CoreTime) -> float:
        """Compute how many cores other processes have used since an earlier reading, on average."""
        known = before.descendants
        living = sum(
            seconds - known.get(process, 0.0) for process, seconds in self.descendants.items()
        )
        # Since the earlier reading only; at least 0, as others than children may have ended.
        gone = sum(known[process] for process in known.keys() - self.descendants.keys())
        ended = max(self.ended - before.ended - gone, 0.0)
        others = (self.busy - before.busy) - (self.own - before.own) - living - ended
        return min(max(others, 0.0) / (self.at - before.at), float(self.cores))


def seconds_busy(stat: str, cores: Collection[int]) -> float:
    """Sum the seconds in which these cores were not idle, from /proc/stat (man 5 proc_stat)."""
    ticks = 0
    for name, *numbers in map(str.split, stat.splitlines()):
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in cores:
            user, nice, system, _idle, _disk, *others = map(int, numbers)
            # Interrupts, and what a virtual machine was refused; the rest is part of `user`.
            ticks += user + nice + system + sum(others[:3])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessStat:
    """A line of /proc/PID/stat (man 5 proc_pid_stat)."""

    parent: int
    started: int  # ticks since the machine started: ids of processes are given again
    seconds: float

    @classmethod
    def read(cls, process: int) -> ProcessStat | None:
        """Read that of a process, None when it has ended."""
        with suppress(OSError):
            text = (PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
            # The program's name, in parentheses, may have spaces.
            fields = text.rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            return cls(int(fields[1]), int(fields[19]), ticks / os.sysconf("SC_CLK_TCK"))
        return None


def read_descendants(process: int) -> dict[ProcessKey, float]:
    """Read the processor time of the children of a process, of theirs, and so on.

    `multiprocessing.active_children` would wait for those that have ended, in place of their owner.
    """
    found: dict[ProcessKey, float] = {}
    children_of = _children_in_files if _has_files_of_children() else _children_in_all_processes()
    waiting = [process]
    while waiting:
        for child in children_of(waiting.pop()):
            stat = ProcessStat.read(child)
            if stat is not None:
                found[child, stat.started] = stat.seconds
                waiting.append(child)
    return found


def _has_files_of_children() -> bool:
    """Check for an option of the kernel, CONFIG_PROC_CHILDREN."""
    own = str(os.getpid())
    return (PROCESSES / own / "task" / own / "children").exists()


def _children_in_files(process: int) -> list[int]:
    """List the children of a process, each of which is noted with the thread that started it."""
    children: list[int] = []
    for file in (PROCESSES / str(process)).glob("task/*/children"):
        with suppress(OSError):
            children += map(int, file.read_text(encoding="ascii").split())
    return children


def _children_in_all_processes() -> Callable[[int], list[int]]:
    """List the children of any process, from the parents of all."""
    children: dict[int, list[int]] = {}
    for folder in PROCESSES.glob("[0-9]*"):
        if (stat := ProcessStat.read(int(folder.name))) is not None:
            children.setdefault(stat.parent, []).append(int(folder.name))
    return lambda process: children.get(process, [])
