"""Threads wait without spinning while other programs are busy."""

from __future__ import annotations

import os
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


def test_what_this_process_used_is_not_others():
    before = CoreTime(at=10.0, busy=100.0, own=50.0)
    assert CoreTime(at=12.0, busy=104.0, own=51.0).used_by_others(before) == 1.5
    # Both are rounded to ticks.
    assert CoreTime(at=12.0, busy=100.9, own=51.0).used_by_others(before) == 0


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
    assert message.startswith("other programs use 1.0 of 2 cores")


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
