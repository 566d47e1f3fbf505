# Tests singleshot/data/augment/settings.py

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.structures import Sample, Truth

SIZE = (96, 128)


FILL = (123, 117, 104)


@given(st.integers(0, 2**32 - 1))
def test_boxes_stay_inside_and_the_same_seed_gives_the_same_sample(seed):
    random = np.random.default_rng(seed)
    corners = random.random((5, 2)) * (150, 70)
    boxes = np.concatenate([corners, corners + 5 + 40 * random.random((5, 2))], axis=1)
    image = torch.from_numpy(random.integers(0, 256, (3, 120, 200), dtype=np.uint8))
    truth = Truth.of(torch.from_numpy(boxes).float(), torch.arange(5))
    augmentation = Augmentation.of(AugmentationSettings(), SIZE, FILL)
    once, again = (
        augmentation(Sample(image, truth, ""), torch.Generator().manual_seed(seed)) for _ in "12"
    )
    assert torch.equal(once.image, again.image)
    assert torch.equal(once.truth.boxes, again.truth.boxes)
    x1, y1, x2, y2 = once.truth.boxes.unbind(1)
    assert ((x1 >= 0) & (x1 < x2) & (x2 <= 128)).all()
    assert ((y1 >= 0) & (y1 < y2) & (y2 <= 96)).all()
