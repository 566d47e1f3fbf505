import pytest

from singleshot.benchmarking.timing_process import TimingJob, TimingProcess
from singleshot.errors import RunFailed


def test_the_reason_why_a_process_ended_is_in_the_message(tmp_path):
    job = TimingJob("lost", [tmp_path / "absent.png"], recipe="localizer", num_classes=1)
    message = r"lost: could not be timed: .*absent.png.*no such image"
    with TimingProcess(job) as process, pytest.raises(RunFailed, match=message):
        process.receive()


def test_the_number_of_threads_is_in_the_environment_before_libraries_are_loaded(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert TimingJob("a", []).environment["OMP_NUM_THREADS"] == "7"
    environment = TimingJob("a", [], threads=2).environment
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "2"
