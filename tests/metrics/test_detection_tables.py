from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from singleshot.errors import DataError
from singleshot.metrics import Predictions
from singleshot.structures import Detections


def detections(num: int, random: torch.Generator) -> Detections:
    corners = 100 * torch.rand(num, 2, generator=random)
    return Detections(
        boxes=torch.cat([corners, corners + 10], dim=1),
        scores=torch.rand(num, generator=random),
        labels=torch.randint(3, (num,), generator=random),
    )


def images(num: int) -> list[Detections]:
    """What was found in each: nothing, 1, 2, 3 or 4 objects."""
    random = torch.Generator().manual_seed(0)
    return [detections(index % 5, random) for index in range(num)]


def same(first: Predictions, second: Predictions) -> bool:
    return all(
        getattr(first, field.name).dtype == getattr(second, field.name).dtype
        and np.array_equal(getattr(first, field.name), getattr(second, field.name))
        for field in fields(Predictions)
    )


def test_detections_are_collected_in_order_and_exactly():
    found = images(250)  # two and a half blocks
    predictions = Predictions.of(found)
    assert len(predictions) == 500
    assert predictions.images[:11].tolist() == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 6]
    assert predictions.scores.tolist() == torch.cat([one.scores for one in found]).tolist()
    assert predictions.boxes.tolist() == torch.cat([one.boxes for one in found]).tolist()
    assert predictions.labels.tolist() == torch.cat([one.labels for one in found]).tolist()


def test_no_detections_have_columns_too():
    for found in ([], images(1)):
        predictions = Predictions.of(found)
        assert len(predictions) == 0
        assert predictions.boxes.shape == (0, 4)
        assert predictions.labels.dtype == predictions.images.dtype == np.int64


def test_memory_of_images_is_released_while_more_are_detected():
    alive = 0
    most = 0

    class Counted(torch.Tensor):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def found():
        nonlocal alive, most
        for _ in range(1000):
            alive += 1
            most = max(most, alive)
            boxes = torch.zeros(2, 4).as_subclass(Counted)
            yield Detections(boxes, torch.zeros(2), torch.zeros(2, dtype=torch.int64))

    assert len(Predictions.of(found())) == 2000
    assert most <= 202


def test_images_keep_the_index_they_are_given():
    predictions = Predictions.of(images(5)[2:], images=range(7, 100, 3))
    assert predictions.images.tolist() == [7] * 2 + [10] * 3 + [13] * 4


@pytest.mark.parametrize("seed", range(10))
def test_any_parts_in_any_order_merge_to_the_whole(seed):
    random = np.random.default_rng(seed)
    found = images(60)
    part_of = random.integers(0, 6, 60)  # uneven parts
    part_of[part_of == 3] = 2  # and an empty one
    parts = [np.flatnonzero(part_of == part) for part in random.permutation(6)]
    gathered = [
        Predictions.of([found[index] for index in part], images=part.tolist()) for part in parts
    ]
    assert same(Predictions.merge(gathered), Predictions.of(found))


def test_no_parts_merge_to_nothing():
    assert same(Predictions.merge([]), Predictions.of([]))


def test_a_part_given_twice_is_refused():
    first, second = Predictions.of(images(5)), Predictions.of(images(3), images=[7, 4, 8])
    with pytest.raises(DataError, match="image 4 is in more than one of the parts"):
        Predictions.merge([first, second])
