"""JSON of answers: the detections in an image, and the model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from singleshot.serving.batching import BatchedDetections
from singleshot.structures import Detections

__all__ = ["DetectionsAnswer", "LevelAnswer", "ModelAnswer", "encode_detections"]


class _Answer(BaseModel):
    """Base of answers: every key is documented."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectionAnswer(_Answer):
    """One object."""

    box: tuple[float, float, float, float] = Field(description="x1, y1, x2, y2 in pixels.")
    label: str = Field(description="Name of the class.")
    score: float = Field(ge=0, le=1, description="Probability of the label.")
    prior: int | None = Field(
        None, ge=0, description="Index of the prior; absent from detectors that do not tell it."
    )
    level: int | None = Field(None, ge=0, description="Index of the prior's level.")


class MillisecondsAnswer(_Answer):
    """Time of each phase; preprocessing, network and postprocessing are of the whole batch."""

    decode: float = Field(ge=0, description="From bytes to pixels.")
    wait: float = Field(ge=0, description="For the batch to begin.")
    preprocess: float | None = Field(ge=0, description="Resizing and normalising.")
    network: float | None = Field(ge=0)
    postprocess: float | None = Field(ge=0, description="Scores, decoding of boxes, NMS.")
    total: float = Field(ge=0, description="From the whole body to the detections.")


class DetectionsAnswer(_Answer):
    """The detections in an image, best first."""

    width: int = Field(ge=1, description="Of the image as displayed, in pixels.")
    height: int = Field(ge=1)
    detections: tuple[DetectionAnswer, ...]
    milliseconds: MillisecondsAnswer
    batch: int = Field(ge=1, description="Images that the network was run on together.")


class LevelAnswer(_Answer):
    """One feature map of priors."""

    grid: tuple[int, int] = Field(description="Rows, columns.")
    stride: tuple[float, float] = Field(
        description="Pixels of the input between centres: down, across."
    )
    priors_per_cell: int
    first_prior: int
    num_priors: int


class LimitsAnswer(_Answer):
    """Limits of a request."""

    max_bytes: int
    max_pixels: int


class ModelAnswer(_Answer):
    """The detector that answers."""

    name: str
    kind: str = Field(description="Family, such as ssd.")
    runtime: str = Field(description="Program that runs the network, with its version.")
    labels: tuple[str, ...] = Field(description="Names of the classes, by index.")
    input: tuple[int, int] | None = Field(
        description="Height, width that images are resized to; null where it varies."
    )
    score_thresholds: dict[str, float] = Field(
        description="Lowest score of each class where a request names none."
    )
    operating_points: dict[str, dict[str, float | None]] = Field(
        description="Score thresholds of each class by the rule that chose them; null: the rule "
        "is out of reach."
    )
    levels: tuple[LevelAnswer, ...] = Field(
        description="Finest first; empty for detectors that do not tell priors."
    )
    priors_float32_base64: str | None = Field(
        description="Centre x, centre y, width, height of each prior as fractions of the image; "
        "32-bit floats, little endian."
    )
    limits: LimitsAnswer
    version: str = Field(description="Of singleshot.")


def encode_detections(
    size: tuple[int, int],
    found: BatchedDetections,
    class_names: Sequence[str],
    level_of_prior: Sequence[int] | None,
    seconds: tuple[float, float],
) -> bytes:
    """Write a DetectionsAnswer as JSON.

    Args:
        size: (height, width) of the image.
        found: what is to be written, without detections below the threshold.
        class_names: by label.
        level_of_prior: the level of each prior, None where they are not known.
        seconds: of decoding and in all.
    """
    decode, total = seconds
    phases = found.seconds
    document = {
        "width": size[1],
        "height": size[0],
        "detections": _rows(found.detections, class_names, level_of_prior),
        "milliseconds": {
            "decode": _milliseconds(decode),
            "wait": _milliseconds(found.waited),
            "preprocess": _milliseconds(phases.preprocess),
            "network": _milliseconds(phases.network),
            "postprocess": _milliseconds(phases.postprocess),
            "total": _milliseconds(total),
        },
        "batch": found.batch,
    }
    return json.dumps(document, allow_nan=False).encode()


def _rows(
    detections: Detections, class_names: Sequence[str], level_of_prior: Sequence[int] | None
) -> list[dict[str, object]]:
    """List detections; boxes are rounded to 2 decimals, as by `predict`."""
    columns = (detections.boxes.tolist(), detections.scores.tolist(), detections.labels.tolist())
    rows: list[dict[str, object]] = [
        {
            "box": [round(corner, 2) for corner in box],
            "label": class_names[label],
            "score": min(score, 1.0),
        }
        for box, score, label in zip(*columns, strict=True)
    ]
    if detections.priors is not None and level_of_prior is not None:
        for row, prior in zip(rows, detections.priors.tolist(), strict=True):
            row |= {"prior": prior, "level": level_of_prior[prior]}
    return rows


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * max(seconds, 0.0), 3)
