"""How far a training is."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError, safe_open

from singleshot.errors import ModelError

__all__ = ["Progress", "load_progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is; the number of its steps may have changed on the way."""

    step: int  # steps done
    num_steps: int
    best: float | None  # the best validation so far
    data: str  # the images and classes it learns from, as a hash
    teacher: str | None = None  # the detector that it learns from as well, as a hash
    validated: int = 0  # the step that was validated last
    since_best: int = 0  # validations, one after the other, that found nothing better
    finished: bool = False  # nothing is left to do: neither steps nor a validation

    num_processes: int = 1
    fitted_at: int | None = None  # the step at which the number of steps was last changed …
    fitted_part: float = 0.0  # … and the part of the schedule that was done by then

    @property
    def part(self) -> float:
        """The part of the schedule that is done; changing the number of steps leaves no gap."""
        fitted_at = self.fitted_at or 0
        since, in_all = self.step - fitted_at, self.num_steps - fitted_at
        return self.fitted_part + (1 - self.fitted_part) * since / in_all

    @property
    def schedule_step(self) -> float:
        """Where the schedule is, of `num_steps`; a whole number unless changed on the way."""
        return self.part * self.num_steps if self.fitted_at else self.step

    def refitted(self, num_steps: int) -> "Progress":
        """The same with another number of steps; the rest of the schedule is stretched to it."""
        assert num_steps > self.step
        part = self.part
        return replace(self, num_steps=num_steps, fitted_at=self.step, fitted_part=part)

    @property
    def all_steps_done(self) -> bool:
        """The last step has been taken; its validation may still be due."""
        return self.step >= self.num_steps


def load_progress(path: Path) -> Progress:
    """How far the training that wrote this state is; ModelError when the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return Progress(**json.loads(file.metadata()["progress"]))
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({error}); choose another --run") from error
