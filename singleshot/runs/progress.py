"""Progress of a training: steps done, best validation, place in the schedule."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from singleshot.errors import ModelError
from singleshot.files import read_safetensors_header

__all__ = ["NEVER", "TrainingProgress", "load_progress"]

NEVER = -1  # before the first step, which is validated where a training starts from a detector


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Steps and validations done of a training, whose length may have changed on the way."""

    step: int  # steps done
    num_steps: int
    best: float | None  # the best validation so far
    data: str  # hash of the training images, boxes and classes
    teacher: str | None = None  # hash of the detector that is distilled
    validated: int = 0  # step of the last validation; NEVER: that of the start is still to come
    start: float | None = None  # validation before the first step
    since_best: int = 0  # consecutive validations without a new best
    finished: bool = False  # neither steps nor a validation are left

    num_processes: int = 1
    fitted_at: int | None = None  # step at which the number of steps was last changed …
    fitted_part: float = 0.0  # … and part of the schedule that was done by then

    @property
    def part(self) -> float:
        """Part of the schedule that is done; changing the number of steps leaves no gap."""
        fitted_at = self.fitted_at or 0
        since, in_all = self.step - fitted_at, self.num_steps - fitted_at
        return self.fitted_part + (1 - self.fitted_part) * since / in_all

    @property
    def schedule_step(self) -> float:
        """Step of the schedule, of `num_steps`; a whole number unless changed on the way."""
        return self.part * self.num_steps if self.fitted_at else self.step

    def with_num_steps(self, num_steps: int) -> "TrainingProgress":
        """Change the number of steps; the rest of the schedule is stretched to it."""
        assert num_steps > self.step
        part = self.part
        return replace(self, num_steps=num_steps, fitted_at=self.step, fitted_part=part)

    @property
    def all_steps_done(self) -> bool:
        """True after the last step; its validation may still be due."""
        return self.step >= self.num_steps


def load_progress(path: Path) -> TrainingProgress:
    """Load the progress from a training's state; ModelError when the file is damaged."""
    try:
        # Without safetensors, which would import PyTorch.
        metadata = read_safetensors_header(path)["__metadata__"]
        return TrainingProgress(**json.loads(metadata["progress"]))
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({error}); choose another --run") from error
