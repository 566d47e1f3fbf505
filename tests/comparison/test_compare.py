from pathlib import Path

import numpy as np
import pytest
import torch

from singleshot.comparison.compare import different, relabelled, told_apart
from singleshot.comparison.speed import Job, Measured, Turns, measure_in_turns
from singleshot.comparison.speed_worker import Subject, peak_memory_mb
from singleshot.comparison.tutorial import made_up
from singleshot.data.images import image_size
from singleshot.errors import RunFailed, SingleshotError
from singleshot.metrics import Predictions
from singleshot.metrics.speed import Seconds


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["one/s0", "two/s0", "two/s1"], ["one/s0", "two/s0", "s1"]),
        (["s0", "two/s0"], ["s0", "two/s0"]),
        (["/x/s0", "/y/s0"], ["x/s0", "y/s0"]),
    ],
)
def test_a_name_is_the_end_of_a_path_that_tells_it_from_the_others(paths, names):
    assert told_apart([Path(path) for path in paths]) == names


def test_labels_are_told_by_name_and_what_the_data_does_not_have_is_left():
    found = Predictions(
        np.array([0, 0, 1]), np.zeros((3, 4)), np.array([0.9, 0.8, 0.7]), np.array([0, 1, 2])
    )
    again = relabelled(found, ("dog", "bird", "cat"), ("cat", "dog"))
    assert again.labels.tolist() == [1, 0]
    assert again.scores.tolist() == [0.9, 0.7]


def test_one_model_is_no_comparison():
    with pytest.raises(SingleshotError, match=r"two models at least.*singleshot evaluate"):
        different(["runs/a"])


def test_one_model_by_two_names_is_given_twice(tmp_path):
    best = tmp_path / "a" / "checkpoints" / "best.safetensors"
    best.parent.mkdir(parents=True)
    best.touch()
    for again in (tmp_path / "a" / ".." / "a", best):
        with pytest.raises(SingleshotError, match="given twice"):
            different([tmp_path / "a", again])


def test_an_image_is_never_seen_twice():
    job = {"recipe": "localizer", "num_classes": 1}
    images = [np.arange(3 * 2 * 7).reshape(3, 2, 7).astype(np.uint8) + shift for shift in (0, 100)]
    subject = Subject(job, [torch.from_numpy(image) for image in images])
    seen = [one for _ in range(4) for one in subject.next_batch(2)]
    assert len({one.numpy().tobytes() for one in seen}) == 8
    assert all(
        sorted(one.flatten().tolist()) in [sorted(i.flatten().tolist()) for i in images]
        for one in seen
    )


def test_who_has_taken_long_enough_is_excused_from_further_rounds():
    found = Measured()
    assert not found.has_enough(1, longest=30)
    found.rounds[1], found.peaks[1] = [[Seconds(None, None, None, 12.0)]] * 2, None
    assert not found.has_enough(1, longest=30)
    assert found.has_enough(1, longest=20)
    # Eight images of 12 seconds would take 96.
    assert found.has_enough(8, longest=90)
    assert not found.has_enough(8, longest=100)


def test_a_process_that_fails_says_why(tmp_path):
    job = Job("lost", [tmp_path / "absent.png"], recipe="localizer", num_classes=1)
    with pytest.raises(RunFailed, match=r"lost: could not be timed: .*absent.png.*no such image"):
        measure_in_turns([job], Turns({1: 1}), on_message=lambda _: None)


def test_a_recipe_is_timed_and_described_in_a_process_of_its_own(tmp_path):
    said = []
    turns = Turns({1: 2}, rounds=2, forget=True, describe=True, go_on=True)
    jobs = [
        Job("first", made_up(tmp_path)[:2], recipe="localizer", num_classes=3),
        Job("broken", made_up(tmp_path)[:2], recipe="no-such-recipe", num_classes=3),
    ]
    found, broken = measure_in_turns(jobs, turns, said.append)
    (speed,) = found.speeds
    assert speed.num_timings == 4
    assert speed.preprocess_ms + speed.network_ms + speed.postprocess_ms > 0
    assert found.summary["num_boxes"] == 1
    assert found.summary["input"] == [224, 224]
    assert found.memory_mb > 10  # megabytes: its weights and features
    assert found.machine["threads"] >= 1
    assert "no recipe 'no-such-recipe'" in broken.failure
    assert not broken.rounds
    assert said == ["timing batches of 1: round 1 of 2", "timing batches of 1: round 2 of 2"]


def test_where_detectors_stay_a_round_before_the_others_does_not_count(tmp_path):
    said = []
    job = Job("kept", made_up(tmp_path)[:2], recipe="localizer", num_classes=1)
    (found,) = measure_in_turns([job], Turns({1: 2}, rounds=2), said.append)
    (speed,) = found.speeds
    assert speed.num_timings == 4
    assert len(speed.rounds_ms) == 2
    assert [line.startswith("timing") for line in said] == [False, True, True]


def test_memory_is_the_gpus_where_it_computes_on_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _device: 3 << 20)
    assert peak_memory_mb(torch.device("cuda", 0)) == 3
    assert peak_memory_mb(torch.device("cpu")) > 50  # megabytes: Python and PyTorch


def test_made_up_images_are_the_same_each_time(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for one, other in zip(made_up(tmp_path / "a"), made_up(tmp_path / "b"), strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert image_size(one) == (375, 500)
