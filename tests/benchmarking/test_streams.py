import pytest

from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.benchmarking.streams import StreamPlan, completed_per_second, time_streams
from singleshot.benchmarking.timing_process import TimingJob


def test_only_the_time_when_all_streams_work_counts():
    # The first does four a second, but only two while the other is at work, from 1 to 3.
    first = [(0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 3.0)]
    second = [(1.0, 1.5), (1.5, 2.0), (2.0, 2.5), (2.5, 3.5)]
    assert completed_per_second([first, second]) == pytest.approx(1 + 3.5 / 2)


def test_the_time_between_images_does_not_count():
    assert completed_per_second([[(0.0, 0.1), (0.4, 0.5)]]) == pytest.approx(10)


def test_streams_that_never_work_together_are_added_up():
    assert completed_per_second([[(0.0, 0.1)], [(5.0, 5.2)]]) == pytest.approx(15)


def test_two_streams_are_two_processes(tmp_path):
    messages = []
    images = draw_sample_images(tmp_path, 2, (96, 128))
    job = TimingJob("small", images, recipe="localizer", num_classes=1, threads=1)
    plan = StreamPlan(2, rounds=2, seconds=0.2)
    (timings,) = time_streams([job], plan, messages.append)
    assert len(timings.images_per_second) == 2
    assert min(timings.images_per_second) > 0
    assert [len(own.rounds[1]) for own in timings.of_streams] == [2, 2]
    assert timings.of_streams[0].machine.threads == 1
    assert timings.peak_memory_mb > timings.memory_before_mb > 100
    assert messages == ["timing 2 streams: round 1 of 2", "timing 2 streams: round 2 of 2"]
