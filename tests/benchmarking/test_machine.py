import pytest
import torch

from singleshot.benchmarking import machine
from singleshot.benchmarking.machine import (
    Machine,
    busy_note,
    cores_used_by_others,
    describe_machine,
    joules_between,
    read_energy,
)


@pytest.fixture
def counters(tmp_path, monkeypatch):
    """Write a processor with a part of its own, a second one, and something else."""
    for zone, microjoules in {
        "intel-rapl:0": 900,
        "intel-rapl:0:0": 800,
        "intel-rapl:1": 5,
    }.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "energy_uj").write_text(f"{microjoules}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("1000\n")
    (tmp_path / "dtpm").mkdir()
    monkeypatch.setattr(machine, "POWERCAP", tmp_path)
    return tmp_path


def test_the_energy_of_whole_processors_is_added_up(counters):
    before = read_energy()
    assert before == {"intel-rapl:0": 900, "intel-rapl:1": 5}
    (counters / "intel-rapl:0" / "energy_uj").write_text("100\n")  # starts again after 1000
    (counters / "intel-rapl:1" / "energy_uj").write_text("25\n")
    assert joules_between(before, read_energy()) == pytest.approx(220e-6)


def test_energy_is_unknown_without_counters(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "POWERCAP", tmp_path / "absent")
    assert joules_between(read_energy(), read_energy()) is None


@pytest.mark.parametrize(
    ("line", "features"),
    [
        (
            "flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16",
            "AVX2 AVX512 AVX512 VNNI AVX512 bf16",
        ),
        ("Features\t: fp asimd asimddp i8mm", "dot product int8 matrix product"),
        ("processor : 0", ""),
    ],
)
def test_features_of_the_processor_are_read(line, features, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    file.write_text(f"model name\t: A Processor\n{line}\n")
    monkeypatch.setattr(machine, "CPU_INFO", file)
    described = describe_machine(torch.device("cpu"))
    assert " ".join(described.features) == features
    assert described.processor == "A Processor"
    assert Machine.from_json(described.to_json()) == described


def test_a_busy_machine_is_warned_of():
    assert busy_note(None, 2) is None
    assert busy_note(0.05, 2) is None
    assert "other programs use 0.7 of 2 cores" in busy_note(0.7, 2)


def test_other_programs_use_at_most_all_cores():
    used = cores_used_by_others(0.05)
    assert used is None or 0 <= used <= (machine.os.cpu_count() or 1)
