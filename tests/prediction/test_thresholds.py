"""The score from which each class is kept."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from singleshot.prediction.thresholds import above_thresholds, class_thresholds
from singleshot.structures import Detections


class Plain:
    """A detector without thresholds of its own."""

    class_names = ("cat", "dog")

    def detect(self, images):
        raise NotImplementedError


class Chosen(Plain):
    """A detector for which they were chosen."""

    @staticmethod
    def score_thresholds(on_message):
        if on_message is not None:
            on_message("chosen")
        return SimpleNamespace(score_thresholds=np.array([0.2, 0.8]))


def test_a_given_threshold_comes_before_the_chosen_and_the_default():
    assert class_thresholds(Plain(), None).tolist() == [0.3, 0.3]
    messages = []
    assert class_thresholds(Chosen(), None, messages.append).tolist() == [0.2, 0.8]
    assert messages == ["chosen"]
    assert class_thresholds(Chosen(), 0.5).tolist() == [0.5, 0.5]


def test_detections_are_kept_by_the_threshold_of_their_class():
    scores, labels = torch.tensor([0.9, 0.79, 0.2, 0.1]), torch.tensor([1, 1, 0, 0])
    detections = Detections(torch.zeros(4, 4), scores, labels)
    above = above_thresholds(detections, class_thresholds(Chosen(), None))
    assert above.tolist() == [True, False, True, False]
