"""What stays of a training: log.jsonl and TensorBoard's files."""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from singleshot.errors import StorageError
from singleshot.files import appears_whole
from singleshot.training.run_folder import RunFolder
from singleshot.training.watch import EvaluationRecord, Plan, StepRecord

__all__ = ["RunLog", "read_log"]


class RunLog:
    """A watcher that writes."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def started(self, plan: Plan) -> None:
        """Open the files; lines of steps that will be done again are taken out first."""
        kept = [line for line in read_log(self.folder.log) if line["step"] <= plan.first_step]
        with appears_whole(self.folder.log) as beside:
            beside.write_text("".join(map(as_line, kept)), encoding="utf-8")
        # A line at a time, so that a log can be followed and a crash loses one line at most.
        self.lines = self.folder.log.open("a", encoding="utf-8", buffering=1)
        self.board = SummaryWriter(str(self.folder.tensorboard), purge_step=plan.first_step + 1)

    def stepped(self, step: StepRecord) -> None:
        """A line, and a point of each curve."""
        curves = {
            "loss/localization": step.localization,
            "loss/classification": step.classification,
            "matched_priors": step.matched_priors,
            "gradient_norm": step.gradient_norm,
            "learning_rate": step.learning_rate,
            "images_per_second": step.images_per_second,
            "seconds_waiting": step.seconds_waiting,
        }
        if step.distillation is not None:
            curves["loss/distillation"] = step.distillation
        self.write({"kind": "step", **asdict(step)}, curves)

    def evaluated(self, record: EvaluationRecord) -> None:
        """A line, and a point of the curve."""
        curves = {"validation/mean_average_precision": record.mean_average_precision}
        self.write({"kind": "evaluation", **asdict(record)}, curves)

    def said(self, message: str) -> None:
        """Words are for people, not for the log."""

    def finished(self) -> None:
        """Close the files; what a full disk does not take was said when it was written."""
        for file in (self.lines, self.board):
            with suppress(OSError):
                file.close()

    def write(self, record: dict[str, Any], curves: dict[str, float]) -> None:
        """Append one record; raises StorageError when the disk does not take it."""
        try:
            self.lines.write(as_line(record))
            for name, value in curves.items():
                self.board.add_scalar(name, value, record["step"])
        except OSError as error:
            raise StorageError(
                f"{self.folder.path}: the log is not written: {error.strerror}; what was saved "
                f"before is good, and --resume goes on from there"
            ) from error


def as_line(record: dict[str, Any]) -> str:
    return json.dumps(record) + "\n"


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log; a last line cut short by a crash is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
