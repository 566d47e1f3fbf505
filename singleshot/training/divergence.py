"""End a training that makes the detector it starts from much worse."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from singleshot.errors import RunFailed
from singleshot.runs.log import loss_terms

__all__ = ["DivergenceCheck"]

NUM_FIRST, NUM_RECENT = 10, 20  # steps whose mean losses are compared
LOSS_FACTOR = 2.0
AP_FACTOR = 0.5
LEAST_AP = 0.05  # of the start; below it a fall means nothing


@dataclass
class DivergenceCheck:
    """Compares the losses with the first ones, and validations with the one before training."""

    learning_rate: float
    first: list[float] = field(default_factory=list)  # losses of the first steps …
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=NUM_RECENT))  # … and the last

    validations: dict[int, float] = field(default_factory=dict)  # average precision by step

    @classmethod
    def resumed(
        cls, learning_rate: float, log: Iterable[Mapping[str, Any]], last_step: int
    ) -> DivergenceCheck:
        """Continue with the losses and validations in a log, without those after the last step.

        They are from steps that were not saved, and are taken again.
        """
        check = cls(learning_rate)
        for line in log:
            if line["step"] > last_step:
                break
            if terms := loss_terms(line):
                check._add(sum(terms.values()))
            elif "mean_average_precision" in line:
                check.validations[line["step"]] = line["mean_average_precision"]
        return check

    def check_loss(self, step: int, loss: float) -> None:
        """Add the loss of a step; RunFailed where the last ones are far above the first."""
        self._add(loss)
        if len(self.recent) == NUM_RECENT and fmean(self.recent) > LOSS_FACTOR * fmean(self.first):
            raise RunFailed(
                f"step {step}: the loss has climbed from {fmean(self.first):.3g} to "
                f"{fmean(self.recent):.3g} since the start: {self._remedy}"
            )

    def check_validation(self, step: int, start: float | None, found: float) -> None:
        """RunFailed where a validation's average precision is far below that of the start."""
        if start is not None and start >= LEAST_AP and found < AP_FACTOR * start:
            raise RunFailed(
                f"step {step}: the validation has fallen from AP {start:.3f} before training to "
                f"{found:.3f}: {self._remedy}"
            )

    def check_last_validation(self, step: int, start: float | None) -> None:
        """RunFailed where the validation of this step, in the log, had ended the training."""
        if step in self.validations:
            self.check_validation(step, start, self.validations[step])

    @property
    def _remedy(self) -> str:
        return (
            f"the training destroys the detector that it starts from. Begin a new run with a lower "
            f"rate, such as --set training.learning_rate={self.learning_rate / 10:g}; or let it go "
            f"on: --resume RUN --set training.stop_when_worse=false. The run's best weights so far "
            f"are kept"
        )

    def _add(self, loss: float) -> None:
        if len(self.first) < NUM_FIRST:
            self.first.append(loss)
        else:
            self.recent.append(loss)
