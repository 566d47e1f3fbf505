import numpy as np
import torch

from singleshot.benchmarking.timing_worker import (
    TimedDetector,
    peak_memory_mb,
    roll_columns,
)
from singleshot.structures import Detections

IMAGE = torch.zeros(3, 8, 8, dtype=torch.uint8)
NOTHING = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def test_a_rolled_image_has_the_same_pixels_in_other_columns():
    image = torch.arange(3 * 2 * 5, dtype=torch.uint8).reshape(3, 2, 5)
    moved = roll_columns(image, 2)
    assert not torch.equal(moved, image)
    assert torch.equal(moved[..., 2:], image[..., :3])
    assert torch.equal(roll_columns(image, 0), image)
    assert moved.stride() == (1, 5 * 3, 3)


def test_an_image_is_never_seen_twice():
    job = {"recipe": "localizer", "num_classes": 1}
    images = [np.arange(3 * 2 * 7).reshape(3, 2, 7).astype(np.uint8) + shift for shift in (0, 100)]
    timed = TimedDetector(job, [torch.from_numpy(image) for image in images])
    seen = [one for _ in range(4) for one in timed.next_batch(2)]
    assert len({one.numpy().tobytes() for one in seen}) == 8
    assert all(
        sorted(one.flatten().tolist()) in [sorted(i.flatten().tolist()) for i in images]
        for one in seen
    )


def test_memory_is_the_gpus_where_it_computes_on_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _device: 3 << 20)
    assert peak_memory_mb(torch.device("cuda", 0)) == 3
    assert peak_memory_mb(torch.device("cpu")) > 50  # megabytes: Python and PyTorch
