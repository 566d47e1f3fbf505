"""Detections in one image with the names of their classes: as a table, drawn, in a notebook."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from singleshot.data.image_files.inputs import ImageLike, as_tensor
from singleshot.drawing import draw_boxes
from singleshot.errors import SingleshotError
from singleshot.structures import Detections

__all__ = ["Result"]

NOTEBOOK_SIDE = 800  # pixels: a notebook stores what it shows
COLUMNS = ("image", "label", "score", "x1", "y1", "x2", "y2")
FRAME_COLUMNS = ("frame", "time", "track")


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """Detections in one image, best first, with the names of their classes."""

    image: ImageLike  # a path, or the image itself where it was given
    width: int
    height: int
    detections: Detections
    class_names: tuple[str, ...]  # by label
    # Of a frame, whose `image` is its pixels:
    video: str | None = None  # path, number of the camera or URL (without its password)
    frame: int | None = None  # number in the video, from 0
    time: float | None = None  # seconds from the first frame
    track: list[int] | None = None  # identity of each detection, -1 without one; None: not tracked
    # So far, by line or zone, then "in" and "out" or "now" and "entered", then class name:
    counts: dict[str, dict[str, dict[str, int]]] | None = None

    def __len__(self) -> int:
        return len(self.detections)

    def __repr__(self) -> str:
        counts = Counter(self.names)
        found = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
        name = f"{self.video} frame {self.frame}" if self.video else self.path or "image"
        return f"Result({name}, {self.width} x {self.height}: {found})"

    @property
    def path(self) -> Path | None:
        """The image file; None for an image in memory."""
        return Path(self.image) if isinstance(self.image, str | Path) else None

    @property
    def name(self) -> str | None:
        """Name of the image file or of the video; None for an image in memory."""
        return self.video or (None if self.path is None else str(self.path))

    @property
    def boxes(self) -> Float[Tensor, "n 4"]:
        """(x1, y1, x2, y2) of each detection in pixels of the image."""
        return self.detections.boxes

    @property
    def scores(self) -> Float[Tensor, " n"]:
        """Score of each detection."""
        return self.detections.scores

    @property
    def labels(self) -> Int[Tensor, " n"]:
        """Label of each detection, an index into `class_names`."""
        return self.detections.labels

    @property
    def names(self) -> list[str]:
        """Class name of each detection."""
        return [self.class_names[label] for label in self.labels.tolist()]

    @property
    def tracks(self) -> list[int | None]:
        """Identity of each detection, the same in all frames of a video; None without one."""
        numbers = self.track or [-1] * len(self)
        return [number if number >= 0 else None for number in numbers]

    def plot(self) -> Image.Image:
        """Draw the boxes with their labels and scores; an image file is read again.

        Raises:
            DataError: the file is gone, or broken.
        """
        return draw_boxes(as_tensor(self.image), self.detections, self.class_names, self.track)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain numbers and names, as in the JSON of `singleshot predict`.

        Boxes are rounded to 2 decimals; scores are not, since thresholds are compared with them.
        """
        rows = zip(self.boxes.tolist(), self.names, self.scores.tolist(), strict=True)
        detections: list[dict[str, Any]] = [
            {"box": [round(corner, 2) for corner in box], "label": name, "score": score}
            for box, name, score in rows
        ]
        for detection, track in zip(detections, self.track or (), strict=False):
            detection["track"] = track if track >= 0 else None
        of_frame = {} if self.frame is None else {"frame": self.frame, "time": self.time}
        return {
            "image": self.name,
            **of_frame,
            "width": self.width,
            "height": self.height,
            "detections": detections,
            **({} if self.counts is None else {"counts": self.counts}),
        }

    def to_dataframe(self) -> Any:
        """Convert to a `pandas.DataFrame` with a row for each detection.

        Its columns are image, label, score, x1, y1, x2, y2; of a frame also frame, time and track.

        Raises:
            SingleshotError: pandas is not installed.
        """
        columns = zip(self.names, self.scores.tolist(), self.boxes.tolist(), strict=True)
        rows: list[tuple[Any, ...]] = [
            (self.name, name, score, *box) for name, score, box in columns
        ]
        names = list(COLUMNS)
        if self.frame is not None:
            tracks: Sequence[int | None] = self.track or [None] * len(rows)
            rows = [
                (*row, self.frame, self.time, track)
                for row, track in zip(rows, tracks, strict=True)
            ]
            names += FRAME_COLUMNS
        return _import_extra("pandas").DataFrame(rows, columns=names)

    def to_supervision(self) -> Any:
        """Convert to a `supervision.Detections`, with the names as its data "class_name".

        Tracks are its `tracker_id`.

        Raises:
            SingleshotError: supervision is not installed.
        """
        return _import_extra("supervision").Detections(
            xyxy=self.boxes.cpu().numpy(),
            confidence=self.scores.cpu().numpy(),
            class_id=self.labels.cpu().numpy(),
            data={"class_name": np.array(self.names, dtype=str)},
            **({} if self.track is None else {"tracker_id": np.array(self.track, dtype=int)}),
        )

    def _repr_png_(self) -> bytes:
        """Show the drawing in a notebook."""
        return self._encode("PNG")

    def _repr_html_(self) -> str:
        """Show the drawing above a line of what was found."""
        source = base64.b64encode(self._encode("JPEG")).decode("ascii")
        return (
            f'<figure><img src="data:image/jpeg;base64,{source}" alt="">'
            f"<figcaption>{escape(repr(self))}</figcaption></figure>"
        )

    def _encode(self, image_format: str) -> bytes:
        """Encode the drawing at the size of a notebook."""
        drawing, file = self.plot(), BytesIO()
        drawing.thumbnail((NOTEBOOK_SIDE, NOTEBOOK_SIDE))
        drawing.save(file, image_format)
        return file.getvalue()


def _import_extra(package: str) -> Any:
    """Import a package that singleshot itself does without."""
    try:
        return import_module(package)
    except ImportError as error:
        raise SingleshotError(
            f"{package} is needed here ({error}); install it with: pip install {package}"
        ) from error
