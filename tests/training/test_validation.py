"""A validation by several processes: shared, and broken off by all or none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from cells import make_cells
from groups import run_group
from torch import nn

from singleshot.data.opening import open_dataset
from singleshot.structures import Detections
from singleshot.training import validation as validating
from singleshot.training.interrupt import Interrupt, ValidationAborted
from singleshot.training.loop import Training
from singleshot.training.processes import ALONE, Processes
from singleshot.training.validation import validation_on


class Blind:
    """A detector that finds nothing."""

    class_names = ("RBC", "WBC")

    def detect(self, images):
        labels = torch.zeros(0, dtype=torch.int64)
        return [Detections(torch.zeros(0, 4), torch.zeros(0), labels) for _ in images]


def look(rank, folder, stops_after):
    """Detect in five images, one at a time; the second process has a request to stop on the way."""
    validating.BATCH_SIZE = 1
    processes, interrupt, looked = Processes(rank=rank, world_size=2), Interrupt(), []

    def between():
        looked.append(1)
        interrupt.stop = rank == 1 and len(looked) == stops_after
        Training.abort_together(SimpleNamespace(processes=processes), interrupt)

    images = open_dataset(folder, "train").subset(range(5), description="five")
    try:
        found = validating.detect_together(Blind(), images, processes, between)
    except ValidationAborted:
        return len(looked), "left"
    return len(looked), None if found is None else "all five"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.mark.parametrize(
    ("stops_after", "expected"),
    # Of five images the first process has three, the second two.
    [(2, [(2, "left"), (2, "left")]), (None, [(3, "all five"), (3, None)])],
    ids=["stopped", "left alone"],
)
def test_an_interrupt_of_one_process_ends_the_validation_of_all_after_the_same_batch(
    cells, stops_after, expected
):
    assert run_group(look, 2, cells, stops_after) == expected


class Seer(Blind, nn.Module):
    """A detector that finds the annotated objects of one class, one image after the other."""

    def __init__(self, images, label):
        super().__init__()
        self.answers = [images.truth(index) for index in range(len(images))]
        self.label = label

    def detect(self, images):
        found, self.answers = self.answers[: len(images)], self.answers[len(images) :]
        return [self.only(truth) for truth in found]

    def only(self, truth):
        kept = truth.labels == self.label
        return Detections(truth.boxes[kept], torch.ones(int(kept.sum())), truth.labels[kept])


def test_a_validation_gives_the_average_precision_of_all_classes_and_of_each(cells, monkeypatch):
    monkeypatch.setattr(validating, "TrainableDetector", Seer)
    images = open_dataset(cells, "train")
    label = images.class_names.index("RBC")
    scores = validation_on(images, ALONE)(Seer(images, label), lambda: None)
    others = dict.fromkeys((name for name in images.class_names if name != "RBC"), (0.0, 0.0))
    assert scores.per_class == {"RBC": (1.0, 1.0), **others}
    assert scores.AP == scores.AP50 == 1 / len(images.class_names)
