"""What stays of a training: log.jsonl and TensorBoard's files."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

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
        self.folder.log.parent.mkdir(parents=True, exist_ok=True)
        # A line at a time, so that a log can be followed and a crash loses one line at most.
        self.lines = self.folder.log.open("w", encoding="utf-8", buffering=1)
        for line in kept:
            self.write(line)
        self.board = SummaryWriter(str(self.folder.tensorboard), purge_step=plan.first_step + 1)

    def stepped(self, step: StepRecord) -> None:
        """A line, and four curves."""
        self.write({"kind": "step", **asdict(step)})
        for name in ("localization", "classification"):
            self.board.add_scalar(f"loss/{name}", getattr(step, name), step.step)
        self.board.add_scalar("learning_rate", step.learning_rate, step.step)
        self.board.add_scalar("images_per_second", step.images_per_second, step.step)

    def evaluated(self, record: EvaluationRecord) -> None:
        """A line, and a point of the curve."""
        self.write({"kind": "evaluation", **asdict(record)})
        self.board.add_scalar(
            "validation/mean_average_precision", record.mean_average_precision, record.step
        )

    def said(self, message: str) -> None:
        """Words are for people, not for the log."""

    def finished(self) -> None:
        """Close the files."""
        self.lines.close()
        self.board.close()

    def write(self, line: dict[str, Any]) -> None:
        """Append one record."""
        self.lines.write(json.dumps(line) + "\n")


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
