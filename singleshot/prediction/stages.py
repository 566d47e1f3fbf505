"""Steps between the detections in a frame and its result: tracking, counting.

A tracker receives all detections of a frame, also those below the score threshold; what it returns
is filtered with them. Stages then receive the result, in order, and may change it, draw on its
drawing, and have counts at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Int
from PIL.Image import Image
from torch import Tensor

from singleshot.prediction.result import Result
from singleshot.structures import Detections

__all__ = ["FrameStage", "TracksDetections"]


@runtime_checkable
class TracksDetections(Protocol):
    """A tracker: gives objects the same identity from frame to frame."""

    def update(self, detections: Detections, *, num_frames: int = 1) -> Int[Tensor, " n"]:
        """Return the identity of each detection of a frame, -1 where it has none.

        `num_frames` is the number of frames since the last call: more than 1 where some were
        dropped or left out.
        """
        ...


class FrameStage(ABC):
    """A step that each result of a video goes through; one object for each video."""

    @abstractmethod
    def __call__(self, result: Result) -> Result:
        """Receive the result of the next frame, and return it or a changed one."""

    def draw(self, drawing: Image, result: Result) -> Image:  # noqa: ARG002
        """Draw on the drawing of a result, which may be larger than its frame; here nothing."""
        return drawing

    def summary(self) -> Mapping[str, Any]:
        """Return counts and the like of the video so far, as they stand in JSON; here none."""
        return {}

    def describe(self) -> Sequence[str]:
        """Describe them in sentences, which are printed at the end; here none."""
        return ()
