"""Threads wait without spinning while other programs are busy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
import torch

from singleshot import cores
from singleshot.cores import CoreTime, IdleThreads, Monitor, seconds_busy, sharing_cores

STAT = """cpu  900 0 0 0 0 0 0 0 0 0
cpu0 100 20 3 5000 400 1 2 4 50 0
cpu1 200 0 0 6000 0 0 0 0 0 0
cpu10 300 0 0 6000 0 0 0 0 0 0
intr 12345 0 9
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def two_threads(monkeypatch):
    """PyTorch computes with two threads, which wait as they do by default."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    for name in cores.WAITING_CHOSEN:
        monkeypatch.delenv(name, raising=False)
    yield
    torch.set_num_threads(before)


@on_linux
def test_idle_time_and_waiting_for_disks_are_not_busy():
    ticks = os.sysconf("SC_CLK_TCK")
    assert seconds_busy(STAT, {0}) == pytest.approx(130 / ticks)
    assert seconds_busy(STAT, {0, 1}) == pytest.approx(330 / ticks)


def reading(at, busy, own, descendants=None, ended=0.0):
    return CoreTime(at, 2, busy, own, descendants or {}, ended)


def test_what_this_process_used_is_not_others():
    before = reading(10.0, 100.0, 50.0)
    assert reading(12.0, 104.0, 51.0).used_by_others(before) == 1.5
    # Both are rounded to ticks.
    assert reading(12.0, 100.9, 51.0).used_by_others(before) == 0


def test_a_worker_that_ends_leaves_nothing_to_others():
    stays, ends, begins, again = (7, 1), (8, 1), (9, 5), (8, 5)
    before = reading(10.0, 100.0, 50.0, {stays: 300.0, ends: 400.0}, ended=20.0)
    # Of 2.5 s, this process used 0.5 s, the one that stays 0.5 s, and the one that ended 1 s.
    now = reading(11.0, 102.5, 50.5, {stays: 300.5}, ended=421.0)
    assert now.used_by_others(before) == 0.5
    # Not yet waited for by its parent, or never.
    now = reading(11.0, 102.5, 50.5, {stays: 300.5}, ended=20.0)
    assert now.used_by_others(before) == 1.5
    # The id of the process that ended is given to another.
    now = reading(11.0, 102.5, 50.5, {stays: 300.5, begins: 0.25, again: 0.25}, ended=420.0)
    assert now.used_by_others(before) == 1.0


def test_others_use_no_more_than_all_cores():
    assert reading(11.0, 103.4, 50.0).used_by_others(reading(10.0, 100.0, 50.0)) == 2


@on_linux
def test_children_are_found_and_left_to_their_owner():
    code = (
        "import sys, time\nwhile time.process_time() < 0.2: pass\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        times = {process: seconds for (process, _), seconds in now().descendants.items()}
        assert times[child.pid] >= 0.15
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        now()
        assert child.wait() == 0  # what another had waited for would have no exit status
        assert child.pid not in {process for process, _ in now().descendants}


def now():
    return CoreTime.now(os.sched_getaffinity(0))


@on_linux
@pytest.mark.parametrize("listed", [True, False], ids=["children", "all processes"])
def test_descendants_are_found_with_and_without_files_of_children(monkeypatch, tmp_path, listed):
    monkeypatch.setattr(cores, "PROCESSES", tmp_path)
    parents = {os.getpid(): 1, 1001: os.getpid(), 1002: 1001, 1003: 1, 1004: os.getpid()}
    for process, parent in parents.items():
        thread = tmp_path / str(process) / "task" / str(process)
        thread.mkdir(parents=True)
        numbers = [parent, *[0] * 9, process, 0, *[0] * 6, 55]
        line = f"{process} (a) name) S {' '.join(map(str, numbers))}\n"
        (tmp_path / str(process) / "stat").write_text(line)
        if listed:
            children = [str(one) for one, above in parents.items() if above == process]
            (thread / "children").write_text(" ".join(children))
    ticks = os.sysconf("SC_CLK_TCK")
    expected = {(process, 55): process / ticks for process in (1001, 1002, 1004)}
    assert cores.read_descendants(os.getpid()) == expected


@on_linux
def test_a_reading_has_the_time_of_this_process():
    cpus = os.sched_getaffinity(0)
    before = CoreTime.now(cpus)
    start = time.process_time()
    while time.process_time() < start + 0.1:
        pass
    now = CoreTime.now(cpus)
    assert now.own - before.own >= 0.1
    assert now.busy - before.busy >= 0.05


@pytest.mark.parametrize(
    ("num_cores", "others", "idle"),
    [
        (2, [0.5], False),
        (2, [2 / 3], True),
        (2, [2 / 3, 0.45], True),
        (2, [2 / 3, 0.35], False),
        # Six cores are left to others.
        (8, [6.5], False),
        (8, [6.6], True),
    ],
)
def test_idle_threads_are_kept_while_others_use_cores_that_ours_need(num_cores, others, idle):
    messages = []
    monitor = Monitor(2, range(num_cores), messages.append)
    for measured in others:
        monitor.update(measured)
    assert (monitor.idle is not None) == idle
    monitor.update(0.0)
    assert monitor.idle is None
    assert len(messages) == (others[0] > num_cores - 2 + 0.55)


def test_the_message_comes_once():
    messages = []
    monitor = Monitor(2, range(2), messages.append)
    for others in (1.04, 0.0, 2.0, 0.0):
        monitor.update(others)
    (message,) = messages
    assert message.startswith("other processes use 1.0 of 2 cores")


@pytest.mark.parametrize(
    ("threads", "num_cores", "owners"), [(2, 2, 1), (4, 4, 1), (4, 8, 2), (2, 8, 7), (4, 2, 1)]
)
def test_with_idle_threads_there_are_more_than_cores(threads, num_cores, owners):
    idle = IdleThreads(threads, num_cores)
    try:
        assert len(idle.owners) == owners
        assert threads + owners * (threads - 1) > num_cores
    finally:
        idle.release()
    assert not any(owner.is_alive() for owner in idle.owners)


@on_linux
@pytest.mark.usefixtures("two_threads")
def test_idle_threads_end_the_spinning():
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("with one core OpenMP never spins for long")
    if "libgomp" not in (cores.PROCESSES / "self/maps").read_text():
        pytest.skip("another OpenMP")
    spinning = seconds_spent_waiting()
    idle = IdleThreads(2, len(os.sched_getaffinity(0)))
    try:
        time.sleep(0.05)
        assert seconds_spent_waiting() < spinning / 2
    finally:
        idle.release()


def seconds_spent_waiting() -> float:
    """Processor time of OpenMP's threads after ten parallel loops: 300,000 rounds or 100."""
    numbers, seconds = torch.zeros(1_000_000), 0.0
    for _ in range(10):
        numbers.add_(1)
        start = time.process_time()
        time.sleep(0.03)
        seconds += time.process_time() - start
    return seconds


@on_linux
@pytest.mark.usefixtures("two_threads")
def test_other_programs_are_noticed(monkeypatch, tmp_path):
    stat, noticed = tmp_path / "stat", threading.Event()
    cpus = sorted(os.sched_getaffinity(0))
    stat.write_text("".join(f"cpu{cpu} 0 0 0 0 0\n" for cpu in cpus))
    monkeypatch.setattr(cores, "PROCESSES", tmp_path)
    monkeypatch.setattr(cores, "SECONDS", 0.01)
    before = threading.active_count()
    with sharing_cores(lambda _: noticed.set()):
        assert not noticed.wait(0.1)
        stat.write_text("".join(f"cpu{cpu} 1000000 0 0 0 0\n" for cpu in cpus))
        assert noticed.wait(10)
    assert threading.active_count() == before


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", cores.WAITING_CHOSEN)
def test_what_the_user_has_chosen_stays(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    before = threading.active_count()
    with sharing_cores():
        assert threading.active_count() == before
