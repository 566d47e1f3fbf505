from singleshot.benchmarking.machine import Machine
from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.benchmarking.timing import DetectorTimings, TimingJob, TimingPlan, time_in_turns
from singleshot.metrics.speed import Seconds

MACHINE = Machine("a processor", 2, 1, "cpu", "Linux", "3.12", "2.9")


def test_a_detector_that_reached_its_time_limit_takes_no_further_turns():
    timings = DetectorTimings(MACHINE)
    assert not timings.exceeds(1, max_seconds=30)
    timings.rounds[1], timings.peaks[1] = [[Seconds(None, None, None, 12.0)]] * 2, None
    assert not timings.exceeds(1, max_seconds=30)
    assert timings.exceeds(1, max_seconds=20)
    # Eight images of 12 seconds would take 96.
    assert timings.exceeds(8, max_seconds=90)
    assert not timings.exceeds(8, max_seconds=100)


def test_a_recipe_is_timed_and_summarised_in_a_process_of_its_own(tmp_path):
    messages = []
    plan = TimingPlan({1: 2}, rounds=2, rebuild=True, summarise=True, skip_failures=True)
    images = draw_sample_images(tmp_path, 2, (96, 128))
    jobs = [
        TimingJob("first", images, recipe="localizer", num_classes=3),
        TimingJob("broken", images, recipe="no-such-recipe", num_classes=3),
    ]
    timings, broken = time_in_turns(jobs, plan, messages.append)
    (speed,) = timings.speeds
    assert speed.num_timings == 4
    assert speed.preprocess_ms + speed.network_ms + speed.postprocess_ms > 0
    assert timings.summary["num_boxes"] == 1
    assert timings.summary["input"] == [224, 224]
    assert timings.memory_mb > 10  # megabytes: its weights and features
    assert timings.machine.threads >= 1
    assert "no recipe 'no-such-recipe'" in broken.failure
    assert not broken.rounds
    assert messages == ["timing batches of 1: round 1 of 2", "timing batches of 1: round 2 of 2"]


def test_detectors_that_stay_in_memory_have_an_uncounted_warm_up_round(tmp_path):
    messages = []
    job = TimingJob(
        "kept", draw_sample_images(tmp_path, 2, (96, 128)), recipe="localizer", num_classes=1
    )
    (timings,) = time_in_turns([job], TimingPlan({1: 2}, rounds=2), messages.append)
    (speed,) = timings.speeds
    assert speed.num_timings == 4
    assert len(speed.rounds_ms) == 2
    assert [line.startswith("timing") for line in messages] == [False, True, True]
