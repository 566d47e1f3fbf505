"""The log of a training: log.jsonl and TensorBoard's files."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from singleshot.errors import StorageError
from singleshot.files import write_atomically
from singleshot.runs.callbacks import EvaluationRecord, StartRecord, StepRecord
from singleshot.runs.folder import RunFolder

__all__ = ["CURVES", "RunLog", "curve_points", "loss_terms", "read_log", "step_line"]

# Numbers of a line that are drawn beside its losses, with the names of their curves.
CURVES = {
    "matched_priors": "matched_priors",
    "gradient_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
    "seconds_waiting": "seconds_waiting",
    "mean_average_precision": "validation/mean_average_precision",
    "AP50": "validation/AP50",
}
# All other numbers of a step are terms of its loss.
_OTHER_KEYS = {"kind", "time", "matched_priors", *(field.name for field in fields(StepRecord))}


class RunLog:
    """Write each step and validation to log.jsonl and TensorBoard."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def on_start(self, start: StartRecord) -> None:
        """Open the files, without the steps that will be repeated after the last saved state."""
        last = {"step": start.first_step, "evaluation": start.validated}
        lines = [line for line in read_log(self.folder.log) if line["step"] <= last[line["kind"]]]
        with write_atomically(self.folder.log) as beside:
            beside.write_text("".join(map(_as_line, lines)), encoding="utf-8")
        # A line at a time, so that a log can be followed and a crash loses one line at most.
        self.lines = self.folder.log.open("a", encoding="utf-8", buffering=1)
        # TensorBoard's files lag behind and may end in the middle of a point: they are rewritten.
        for path in self.folder.tensorboard.glob("events.out.tfevents.*"):
            path.unlink()
        self.board = SummaryWriter(str(self.folder.tensorboard))
        if self.folder.recipe.exists():
            recipe = self.folder.recipe.read_text(encoding="utf-8")
            self.board.add_text("recipe", indent(recipe, "    "))  # a block of code in Markdown
        for line in lines:
            self.draw(line)
        if start.first_step:
            self.draw_image("augmented_batch", self.folder.batch_image, 0)
        if any(line["kind"] == "evaluation" for line in lines):
            self.draw_image("validation", self.folder.detections_image, start.validated)

    def on_step(self, step: StepRecord) -> None:
        """Write a line, and a point of each curve."""
        self.write({"kind": "step", "time": time.time(), **step_line(step)})
        if step.step == 1:
            self.draw_image("augmented_batch", self.folder.batch_image, 0)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Write a line, and a point of the curve."""
        self.write({"kind": "evaluation", "time": time.time(), **asdict(record)})
        self.draw_image("validation", self.folder.detections_image, record.step)

    def on_message(self, message: str) -> None:
        """Ignore messages: the log records numbers."""

    def on_finish(self) -> None:
        """Close the files; a full disk has been reported when a line was written."""
        for file in (self.lines, self.board):
            with suppress(OSError):
                file.close()

    def draw(self, record: dict[str, Any]) -> None:
        """Add a point to each of TensorBoard's curves."""
        for name, value in curve_points(record).items():
            self.board.add_scalar(name, value, record["step"], record.get("time"))
        # Here alone: trackers such as MLflow do not take every class name as the name of a curve.
        for name, value in (record.get("per_class") or {}).items():
            if value is not None:
                self.board.add_scalar(
                    f"validation_AP/{name}", value, record["step"], record.get("time")
                )

    def draw_image(self, name: str, path: Path, step: int) -> None:
        """Add an image of the run folder to TensorBoard, if it is there."""
        if path.exists():
            with Image.open(path) as image:
                self.board.add_image(name, np.asarray(image), step, dataformats="HWC")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; raises StorageError when the disk does not take it."""
        try:
            self.lines.write(_as_line(record))
            self.draw(record)
        except OSError as error:
            raise StorageError(
                f"{self.folder.path}: the log is not written: {error.strerror}; what was saved "
                f"before is good, and --resume continues from there"
            ) from error


def step_line(step: StepRecord) -> dict[str, Any]:
    """Flatten the record of a step: each term of the loss has a key of its own."""
    line = asdict(step)
    losses = line.pop("losses")
    distillation = losses.pop("distillation", None)
    num_matches = line.pop("num_matches")
    return {**losses, "distillation": distillation, "matched_priors": num_matches, **line}


def loss_terms(line: Mapping[str, Any]) -> dict[str, float]:
    """Pick the terms of the loss from a line of the log, by name; none of a validation."""
    if "mean_average_precision" in line:
        return {}
    return {
        name: value for name, value in line.items() if name not in _OTHER_KEYS and value is not None
    }


def curve_points(line: Mapping[str, Any]) -> dict[str, float]:
    """Name the curves that a line of the log adds a point to, with the value."""
    losses = {f"loss/{name}": value for name, value in loss_terms(line).items()}
    drawn = {curve: line[name] for name, curve in CURVES.items() if line.get(name) is not None}
    return losses | drawn


def _as_line(record: dict[str, Any]) -> str:
    return json.dumps(record) + "\n"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the records of a log, without a last line that a crash cut short."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
