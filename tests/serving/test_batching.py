"""Batches of concurrent images: who waits, who shares, and who fails alone."""

from __future__ import annotations

import asyncio

import pytest
import torch
from stubs import BoxDetector

from singleshot.errors import ModelError, TooLittleMemory
from singleshot.serving.batching import Batcher
from singleshot.serving.problems import Problem


def image(red=255):
    return torch.full((3, 4, 5), red, dtype=torch.uint8)


def detect_together(batcher, reds):
    """Detect in several images at once; exceptions are results."""

    async def one(red):
        with batcher.admitted():
            return await batcher.detect(image(red))

    async def together():
        return await asyncio.gather(*map(one, reds), return_exceptions=True)

    return asyncio.run(together())


def test_images_share_batches_and_get_their_own_detections():
    detector = BoxDetector()
    found = detect_together(Batcher(detector, max_images=9, max_batch=4), range(0, 90, 10))
    assert detector.batches == [4, 4, 1]
    scores = [float(one.detections.scores[0]) * 255 for one in found]
    assert scores == pytest.approx(list(range(0, 90, 10)))
    assert [one.batch for one in found] == [4] * 8 + [1]


def test_no_more_images_are_admitted_than_may_be():
    *found, refused = detect_together(Batcher(BoxDetector(), max_images=2, max_batch=4), [1, 2, 3])
    assert len(found) == 2
    assert isinstance(refused, Problem)
    assert (refused.status, refused.headers) == (429, {"Retry-After": "1"})


def test_an_image_that_fails_does_not_fail_the_others():
    def fail(images):
        if any(int(one[0, 0, 0]) == 13 for one in images):
            raise ModelError("unlucky")

    detector = BoxDetector(on_batch=fail)
    found = detect_together(Batcher(detector, max_images=9, max_batch=4), [12, 13, 14])
    assert [type(one).__name__ for one in found] == [
        "BatchedDetections",
        "ModelError",
        "BatchedDetections",
    ]


def test_a_detector_that_leaves_images_out_fails_their_requests():
    class Forgetful(BoxDetector):
        def detect(self, images):
            return super().detect(images)[:1]

    detector = Forgetful()
    found = detect_together(Batcher(detector, max_images=9, max_batch=4), [1, 2])
    assert detector.batches == [2, 1, 1]
    assert [float(one.detections.scores[0]) * 255 for one in found] == pytest.approx([1, 2])

    detector.detect = lambda _images: []
    (error,) = detect_together(Batcher(detector, max_images=9, max_batch=4), [1])
    assert str(error).startswith("Forgetful.detect: 0 results of 1 images")


def test_batches_shrink_to_what_the_memory_takes():
    def fail(images):
        if len(images) > 2:
            raise TooLittleMemory("out of memory", 2)

    detector = BoxDetector(on_batch=fail)
    batcher = Batcher(detector, max_images=9, max_batch=8)
    assert len(detect_together(batcher, range(8))) == 8
    assert batcher.max_batch == 2
    assert max(detector.batches) <= 2


def test_a_request_that_is_cancelled_is_left_out():
    detector = BoxDetector()
    batcher = Batcher(detector, max_images=9, max_batch=4)

    async def cancel_one():
        tasks = [asyncio.create_task(batcher.detect(image(red))) for red in (1, 2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        return await tasks[1]

    asyncio.run(cancel_one())
    assert detector.batches == [1]
