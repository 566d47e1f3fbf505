"""Batches of concurrent requests for one detector, which runs in a thread of its own.

While the detector is busy, images gather; the next batch takes them all, up to a limit. An idle
detector waits a few milliseconds for images that are still being decoded, and else begins at once:
a lone client never waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from jaxtyping import UInt8
from torch import Tensor

from singleshot.benchmarking.phases import time_detections
from singleshot.errors import ModelError, TooLittleMemory
from singleshot.metrics.speed import Seconds
from singleshot.serving.problems import Problem
from singleshot.structures import Detections, Detector

__all__ = ["BatchedDetections", "Batcher"]

Image = UInt8[Tensor, "3 _h _w"]

LOG = logging.getLogger("singleshot.serving")
POLL = 0.0005  # seconds between looks at the images that have arrived
AVERAGED = 0.1  # part of the newest time in the running average
LONGEST_RETRY = 30  # seconds


@dataclass(frozen=True)
class BatchedDetections:
    """Detections in the image of a request, and how they came about."""

    detections: Detections
    waited: float  # seconds from the decoded image to its batch
    seconds: Seconds  # of the whole batch
    batch: int  # images in it


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An image that waits for its batch."""

    image: Image
    future: asyncio.Future[BatchedDetections]
    since: float


class Batcher:
    """Runs a detector on batches of the images of concurrent requests."""

    def __init__(
        self, detector: Detector, *, max_images: int, max_batch: int, wait: float = 0.003
    ) -> None:
        """`max_images` are admitted at once; an idle detector waits up to `wait` seconds."""
        self.detector, self.max_images = detector, max_images
        self.max_batch, self.wait = max_batch, wait
        self.num_admitted = 0  # being decoded, waiting or in work
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="detector")
        self._worker: asyncio.Task[None] | None = None
        self._seconds_per_image = 0.0

    @property
    def num_waiting(self) -> int:
        """Decoded images whose batch has not begun."""
        return len(self._waiting)

    def require_place(self) -> None:
        """Raise Problem while as many images are admitted as may be."""
        if self.num_admitted >= self.max_images:
            seconds = min(max(ceil(self.num_admitted * self._seconds_per_image), 1), LONGEST_RETRY)
            raise Problem(
                429,
                "too many images at once",
                place="server",
                value=f"{self.num_admitted} images are in work",
                remedy=f"repeat the request in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count an image from before its decoding until it is detected in; raises Problem."""
        self.require_place()
        self.num_admitted += 1
        try:
            yield
        finally:
            self.num_admitted -= 1

    async def detect(self, image: Image) -> BatchedDetections:
        """Detect in an image that is admitted, together with others."""
        loop = asyncio.get_running_loop()
        one = _Waiting(image, loop.create_future(), time.perf_counter())
        self._waiting.append(one)
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        return await one.future

    async def _work(self) -> None:
        """Run batch after batch until no image waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gather()
            number = min(self.max_batch, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(number)]
            batch = [one for one in batch if not one.future.done()]  # others were cancelled
            if batch:
                await loop.run_in_executor(self._thread, self._run, batch, loop)

    async def _gather(self) -> None:
        """Wait a little while images of other requests are being decoded."""
        deadline = time.perf_counter() + self.wait
        await asyncio.sleep(0)  # requests of the last batch are no longer admitted
        while (
            len(self._waiting) < min(self.max_batch, self.num_admitted)
            and time.perf_counter() < deadline
        ):
            await asyncio.sleep(POLL)

    def _run(self, batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """Detect in a batch and deliver; where that fails, in each image by itself."""
        began = time.perf_counter()
        try:
            found, seconds = self._detect([one.image for one in batch])
        except TooLittleMemory as error:
            self.max_batch = max(min(error.num_fitting, len(batch) - 1), 1)
            LOG.warning("%s; batches have at most %d images from now on", error, self.max_batch)
            self._run_again(batch, loop, error)
            return
        except Exception as error:
            self._run_again(batch, loop, error)
            return
        self._note_speed(seconds.total / len(batch))
        for one, detections in zip(batch, found, strict=True):
            answer = BatchedDetections(detections, began - one.since, seconds, len(batch))
            loop.call_soon_threadsafe(_deliver, one.future, answer)

    def _run_again(
        self, batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop, error: Exception
    ) -> None:
        """Detect in one image after the other: one that fails does not fail the others."""
        if len(batch) == 1:
            loop.call_soon_threadsafe(_deliver, batch[0].future, error)
            return
        for one in batch:
            self._run([one], loop)

    def _detect(self, images: Sequence[Image]) -> tuple[list[Detections], Seconds]:
        """Detect, and measure the phases."""
        found: list[list[Detections]] = []
        [seconds] = time_detections(self.detector, [images], found.append)
        if len(found[0]) != len(images):  # else the request of an image would wait without an end
            raise ModelError(
                f"{type(self.detector).__name__}.detect: {len(found[0])} results of {len(images)} "
                f"images; return one Detections for each"
            )
        return found[0], seconds

    def _note_speed(self, seconds: float) -> None:
        """Average the time of an image, for Retry-After."""
        before = self._seconds_per_image or seconds
        self._seconds_per_image = before + AVERAGED * (seconds - before)


def _deliver(
    future: asyncio.Future[BatchedDetections], result: BatchedDetections | Exception
) -> None:
    """Set the result of a future, unless its request is gone."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
