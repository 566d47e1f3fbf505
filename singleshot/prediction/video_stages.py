"""The tracker and the stages of a video, as the options have them: identities, then counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from singleshot.drawing import LabelledOutline, draw_outlines
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.result import Result
from singleshot.prediction.stages import FrameStage, TracksDetections
from singleshot.video.counting import FORGET_AFTER, Anchor, ObjectCounter
from singleshot.video.places import Place
from singleshot.video.reader import VideoReader
from singleshot.video.tracking import ByteTrack

__all__ = ["CountObjects", "make_stages", "make_tracker"]

UNKNOWN_RATE = 30.0  # frames per second of streams that state none


def make_tracker(
    options: PredictionOptions, video: VideoReader, thresholds: Float[Tensor, " num_classes"]
) -> TracksDetections | None:
    """Make the tracker of a video; None without tracking.

    Args:
        options: of the prediction.
        video: open, with its frame rate if it is known.
        thresholds: lowest score of each class in results: such detections continue any track.
    """
    if not options.track:
        return None
    return ByteTrack(
        thresholds.clamp(0, 1).tolist(), frame_rate=_rate(video), keep_lost=options.keep_lost
    )


def make_stages(options: PredictionOptions, video: VideoReader) -> Sequence[FrameStage]:
    """Make the stages of a video, in order."""
    if not options.places:
        return []
    num_kept = math.ceil(_rate(video) * options.keep_lost) + 1
    forget_after = max(num_kept, FORGET_AFTER)
    return [CountObjects(options.places, options.count_at, forget_after=forget_after)]


def _rate(video: VideoReader) -> float:
    """Return the frames per second of a video, which may be those of most."""
    return float(video.frame_rate or UNKNOWN_RATE)


class CountObjects(FrameStage):
    """Counts objects at lines and in zones, and draws both."""

    def __init__(self, places: Sequence[Place], anchor: Anchor, *, forget_after: int) -> None:
        """`forget_after` is in frames, as of `ObjectCounter`."""
        self._places, self._anchor, self._forget_after = places, anchor, forget_after
        self._counter: ObjectCounter | None = None  # until the size of the frames is known

    def __call__(self, result: Result) -> Result:
        """Count the objects of a frame; the result has the counts so far."""
        if self._counter is None:
            size = result.height, result.width
            self._counter = ObjectCounter(
                self._places,
                size,
                result.class_names,
                anchor=self._anchor,
                forget_after=self._forget_after,
            )
        tracks = None if result.track is None else torch.tensor(result.track, dtype=torch.int64)
        self._counter.update(result.boxes, tracks, result.labels)
        return replace(result, counts=self._counter.counts())

    def draw(self, drawing: Image, result: Result) -> Image:
        """Draw lines and zones with their counts."""
        if self._counter is None or result.counts is None:
            return drawing
        factor = drawing.width / result.width
        outlines = [
            LabelledOutline(
                [(x * factor, y * factor) for x, y in place.points],
                f"{place.name}: {in_words(result.counts[place.name])}",
                closed=place.kind == "zone",
            )
            for place in self._counter.places
        ]
        return draw_outlines(drawing, outlines)

    def summary(self) -> Mapping[str, Any]:
        """Return the counts."""
        return {} if self._counter is None else {"counts": self._counter.counts()}

    def describe(self) -> Sequence[str]:
        """Describe the counts of each place by class."""
        counts = {} if self._counter is None else self._counter.counts()
        return [f"{name}: {in_words(of_place, by_class=True)}" for name, of_place in counts.items()]


def in_words(counts: Mapping[str, Mapping[str, int]], *, by_class: bool = False) -> str:
    """Write the counts of one place, such as "in 3, out 1" or "in 3 (2 person, 1 dog), out 0"."""
    parts = []
    for name, numbers in counts.items():
        classes = ", ".join(f"{number} {label}" for label, number in sorted(numbers.items()))
        detail = f" ({classes})" if by_class and classes else ""
        parts.append(f"{name} {sum(numbers.values())}{detail}")
    return ", ".join(parts)
