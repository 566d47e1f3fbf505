"""Pictures in a page: what was annotated beside what was found."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from singleshot.drawing import draw
from singleshot.structures import Detections, Truth

__all__ = ["Exhibit", "Figure", "figure"]

LONGEST_SIDE = 640  # pixels; twelve pairs are then some two megabytes
JPEG_QUALITY = 80


@dataclass(frozen=True)
class Exhibit:
    """A picture to show."""

    name: str
    image: UInt8[Tensor, "3 h w"]
    truth: Truth
    detections: Detections  # all of them; the page shows those that are sure enough


@dataclass(frozen=True)
class Figure:
    """What the page says about an exhibit, pictures as data URIs."""

    name: str
    width: int
    height: int
    annotated: str
    annotated_text: str
    found: str
    found_text: str


def figure(exhibit: Exhibit, class_names: Sequence[str], score_thresholds: Tensor) -> Figure:
    """Draw truth and detections, those with at least the score threshold of their class."""
    found = exhibit.detections
    found = found[found.scores >= score_thresholds[found.labels]]
    factor = min(1.0, LONGEST_SIDE / max(exhibit.image.shape[-2:]))
    image = scaled(exhibit.image, factor)
    annotated = replace(exhibit.truth, boxes=exhibit.truth.boxes * factor)
    picture = draw(image, annotated, class_names)
    return Figure(
        name=PurePath(exhibit.name).name,
        width=picture.width,
        height=picture.height,
        annotated=data_uri(picture),
        annotated_text=in_words(exhibit.truth.labels, class_names),
        found=data_uri(draw(image, replace(found, boxes=found.boxes * factor), class_names)),
        found_text=in_words(found.labels, class_names),
    )


def scaled(image: UInt8[Tensor, "3 h w"], factor: float) -> UInt8[Tensor, "3 _h _w"]:
    """A smaller picture: the boxes are drawn on it afterwards, so that they can be read."""
    height, width = image.shape[-2:]
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    smaller: Tensor = transforms.resize(image, size, antialias=True)
    return smaller


def data_uri(picture: Image.Image) -> str:
    """A picture within the page itself."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def in_words(labels: Tensor, class_names: Sequence[str]) -> str:
    """`3 cat, 1 dog`, or `nothing`."""
    counts = Counter(labels.tolist())
    words = [f"{counts[label]} {class_names[label]}" for label in sorted(counts)]
    return ", ".join(words) or "nothing"
