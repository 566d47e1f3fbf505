import os

import pytest

from singleshot.data import cores
from singleshot.data.cores import available_cores, cores_in_cgroups


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_a_container_has_the_time_of_its_limit_and_of_those_around_it(tmp_path):
    write(tmp_path / "box", cpu__max="300000 100000")
    write(tmp_path / "box/inner", cpu__max="max 100000")
    assert list(cores_in_cgroups(tmp_path, ["/box/inner"])) == [3.0]


def test_the_first_version_of_control_groups_is_read_too(tmp_path):
    write(tmp_path / "cpu/job", cpu__cfs_quota_us="150000", cpu__cfs_period_us="100000")
    write(tmp_path / "cpu/free", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert list(cores_in_cgroups(tmp_path, ["/job", "/free"])) == [1.5]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_program_bound_to_one_core_has_one():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("limit", "expected"), [(0.5, 1), (2.9, 2), (64.0, 8)])
def test_parts_of_a_core_are_no_core_but_the_first(monkeypatch, limit, expected):
    monkeypatch.setattr(cores, "cores_of_affinity", lambda: 8)
    monkeypatch.setattr(cores, "cores_in_cgroups", lambda *_: [limit])
    assert available_cores() == expected
