"""Weights of a run and the score thresholds that were chosen for them.

Thresholds that suit one set of weights mean nothing for another. So their file,
`operating_point.json`, has the hash of the weights: the thresholds are stale after the training was
resumed, and valid in a copy of the run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.errors import ModelError, SingleshotError, some_of
from singleshot.files import hash_file, write_atomically
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD, Choice, OperatingPoint, Rule
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.folder import RunFolder

__all__ = ["RunOperatingPoint", "RunWeights"]

REMEDY = "Delete it, or choose again with evaluate --threshold-rule"


class StoredChoice(BaseModel):
    """`Choice` as JSON; precision, recall and counts may be left out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    score_threshold: float | None = Field(ge=0, le=1)
    precision: float | None = None
    recall: float | None = None
    # Each with its name in files of version 0.1.
    false_positives_per_image: float | None = Field(
        default=None,
        validation_alias=AliasChoices("false_positives_per_image", "false_alarms_per_picture"),
    )
    true_positives: int | None = Field(
        default=None, ge=0, validation_alias=AliasChoices("true_positives", "hits")
    )
    false_positives: int | None = Field(
        default=None, ge=0, validation_alias=AliasChoices("false_positives", "false_alarms")
    )


class StoredPoint(BaseModel):
    """`OperatingPoint` as JSON, with the weights it was chosen for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rule: str
    iou_threshold: float = Field(gt=0, le=1)
    data: str
    weights: str  # SHA-256 of the checkpoint file
    per_class: dict[str, StoredChoice]


class RunOperatingPoint(NamedTuple):
    """Operating point that a run folder holds."""

    point: OperatingPoint
    stale: bool  # chosen for other weights


@dataclass(frozen=True)
class RunWeights:
    """A checkpoint of a run folder, with the hash of its present content."""

    folder: RunFolder
    checkpoint: Path
    sha256: str

    @classmethod
    def of(cls, checkpoint: Path) -> RunWeights | None:
        """Hash a checkpoint that lies in a run folder; None for one elsewhere.

        Raises ModelError when the file cannot be read.
        """
        folder = RunFolder.containing(checkpoint)
        if folder is None:
            return None
        try:
            return cls(folder, checkpoint, hash_file(checkpoint))
        except OSError as error:
            raise ModelError(f"{checkpoint}: not readable: {error.strerror}") from error

    def save_operating_point(self, point: OperatingPoint) -> None:
        """Save the operating point of these weights, in place of the one before.

        Raises StorageError when the disk does not take it.
        """
        assert tuple(point.per_class) == Checkpoint.class_names_of(self.checkpoint)
        document = {**point.to_json(), "weights": self.sha256}
        with write_atomically(self.folder.operating_point) as beside:
            beside.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def load_operating_point(self) -> RunOperatingPoint | None:
        """Load the operating point of the run, maybe of other weights; None without one.

        Raises ModelError, naming the file, when it is damaged or of other classes.
        """
        path = self.folder.operating_point
        if not path.is_file():
            return None
        try:
            stored = StoredPoint.model_validate_json(path.read_bytes())
            # Version 0.1 wrote alarms=0.1 for fppi=0.1.
            rule = Rule.parse(re.sub(r"^alarms=", "fppi=", stored.rule))
        except ValidationError as error:
            raise ModelError(f"{path}: {_first_problem(error)}. {REMEDY}") from error
        except SingleshotError as error:
            raise ModelError(f"{path}: {error}. {REMEDY}") from error
        stale = stored.weights != self.sha256
        class_names = tuple(stored.per_class) if stale else self._class_names_in(stored)
        per_class = {name: Choice(**dict(stored.per_class[name])) for name in class_names}
        point = OperatingPoint(rule, stored.iou_threshold, stored.data, per_class)
        return RunOperatingPoint(point, stale=stale)

    def score_thresholds(
        self, name: str, on_message: OnMessage | None = None
    ) -> OperatingPoint | None:
        """Load the score thresholds chosen for these weights; None without any.

        Args:
            name: of the model, in messages.
            on_message: called with the score from which detections are kept, or with a warning that
                the thresholds were chosen for other weights and no longer hold.

        Raises:
            ModelError: the run's `operating_point.json` is damaged or of other classes.
        """
        kept = self.load_operating_point()
        if kept is None:
            return None
        if kept.stale:
            messages = [
                f"{name}: its score thresholds were chosen for other weights; keeping all from "
                f"{DEFAULT_SCORE_THRESHOLD}. Choose again: "
                f"evaluate … --threshold-rule {kept.point.rule}"
            ]
        else:
            messages = list(kept.point.sentences())
        for message in messages:
            if on_message is not None:
                on_message(message)
        return None if kept.stale else kept.point

    def _class_names_in(self, stored: StoredPoint) -> tuple[str, ...]:
        """List the classes of the weights, in order; ModelError where the point has others."""
        class_names = Checkpoint.class_names_of(self.checkpoint)
        if different := set(class_names).symmetric_difference(stored.per_class):
            raise ModelError(
                f"{self.folder.operating_point}: its classes are not those of {self.checkpoint}; "
                f"only one of them has {some_of(sorted(different))}. {REMEDY}"
            )
        return class_names


def _first_problem(error: ValidationError) -> str:
    """Name the first key with a problem, and the problem."""
    problem = error.errors(include_url=False)[0]
    return ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]]))
