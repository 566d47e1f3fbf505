"""Images of a run: tiles in rows, with boxes where the objects are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cells import make_cells
from PIL import Image

from singleshot.data.opening import open_dataset
from singleshot.metrics import Predictions
from singleshot.structures import Batch, Truth
from singleshot.training.run_images import SIDE, save_batch, save_detections


@pytest.mark.parametrize(("number", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (9, 4, 2)])
def test_a_batch_shows_its_first_eight_images_with_their_objects(tmp_path, number, columns, rows):
    truth = Truth.of(torch.tensor([[20.0, 30, 80, 90]]), torch.tensor([0]))
    images = torch.full((number, 3, 100, 100), 128, dtype=torch.uint8)
    path = tmp_path / "images" / "batch.jpg"
    save_batch(Batch(images, (truth,) * number, ("a",) * number), ["cat"], path)
    with Image.open(path) as saved:
        assert saved.size == (columns * SIDE, rows * SIDE)
        pixels = np.asarray(saved).astype(int)
    grey = np.abs(pixels - 128).max(axis=2) < 12
    left = SIDE * 20 // 100
    assert not grey[SIDE // 2, left : left + 2].any()  # the left side of the first box
    assert grey[SIDE // 2, left + 40 : left + 140].all()


def test_detections_of_less_than_a_score_of_0_3_are_left_out(tmp_path):
    images = open_dataset(make_cells(tmp_path / "cells"), "val")
    boxes = np.array([[10.0, 10, 60, 60]])
    zero = np.zeros(1, dtype=np.int64)

    def drawn(score: float) -> np.ndarray:
        predictions = Predictions(images=zero, boxes=boxes, scores=np.array([score]), labels=zero)
        save_detections(predictions, images, tmp_path / "found.jpg")
        with Image.open(tmp_path / "found.jpg") as saved:
            return np.asarray(saved).astype(int)

    nothing = drawn(0.29)
    assert nothing.shape == (SIDE, 2 * SIDE, 3)
    differs = np.abs(drawn(0.3) - nothing).max(axis=2) > 60
    assert differs[:, :SIDE].any()
    assert not differs[:, SIDE + 16 :].any()  # the other image
