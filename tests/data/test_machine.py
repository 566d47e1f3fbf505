import os

import pytest

from singleshot.data import machine
from singleshot.data.machine import (
    available_cores,
    cores_in_cgroups,
    free_in_cgroups,
    free_memory,
    free_on_machine,
)


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_a_container_has_the_cpu_limit_of_its_control_group_and_of_its_parents(tmp_path):
    write(tmp_path / "box", cpu__max="300000 100000")
    write(tmp_path / "box/inner", cpu__max="max 100000")
    assert list(cores_in_cgroups(tmp_path, ["/box/inner"])) == [3.0]


def test_cpu_limits_of_control_groups_version_1_are_read_too(tmp_path):
    write(tmp_path / "cpu/job", cpu__cfs_quota_us="150000", cpu__cfs_period_us="100000")
    write(tmp_path / "cpu/free", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert list(cores_in_cgroups(tmp_path, ["/job", "/free"])) == [1.5]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_process_bound_to_one_core_has_one():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("limit", "expected"), [(0.5, 1), (2.9, 2), (64.0, 8)])
def test_cores_are_rounded_down_but_to_no_less_than_one(monkeypatch, limit, expected):
    monkeypatch.setattr(machine, "cores_of_affinity", lambda: 8)
    monkeypatch.setattr(machine, "cores_in_cgroups", lambda *_: [limit])
    assert available_cores() == expected


def limit(folder, names, numbers, stat):
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in zip(names, numbers, strict=True):
        (folder / name).write_text(f"{number}\n")
    (folder / "memory.stat").write_text(stat)


def test_a_container_has_what_its_limit_leaves_and_the_reclaimable_file_cache(tmp_path):
    names = ("memory.max", "memory.current")
    limit(tmp_path / "box", names, (1000, 700), "anon 500\ninactive_file 200\n")
    assert list(free_in_cgroups(tmp_path, ["/box"])) == [500]


def test_the_limit_of_a_parent_group_counts(tmp_path):
    names = ("memory.max", "memory.current")
    limit(tmp_path / "box", names, (1000, 900), "inactive_file 0\n")
    limit(tmp_path / "box/inner", names, ("max", 100), "inactive_file 0\n")
    assert list(free_in_cgroups(tmp_path, ["/box/inner"])) == [100]


def test_memory_limits_of_control_groups_version_1_are_read_too(tmp_path):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit(tmp_path / "memory/job", names, (800, 300), "total_inactive_file 100\n")
    assert list(free_in_cgroups(tmp_path, ["/job"])) == [600]


def test_a_process_has_no_more_than_the_machine():
    assert 0 < free_memory() <= 1.1 * free_on_machine()
