"""The task that a recipe is chosen for: data, machine, time, start, and what is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from singleshot.auto import constants
from singleshot.auto.choice import RecipeChoice
from singleshot.auto.facts import DataFacts
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.recipes.training import OptimizerName

__all__ = ["LearningRate", "StartFacts", "Task", "TrainingMachine"]


@dataclass(frozen=True)
class TrainingMachine:
    """The device that a detector is trained on, and the cores beside it."""

    device: Literal["cpu", "gpu"]
    cores: int
    slowdown: float = 1.0  # of a step, against one on a usual machine with as many cores
    processes: int = 1  # that share each batch

    def with_measured_step(self, seconds: float, num_images: int) -> TrainingMachine:
        """Return the machine with its speed, by the time of a step of the base recipe.

        It is rounded to a power of 2, and within bounds: the speed of a machine varies from minute
        to minute, and the same choices are to be made again.
        """
        usual = replace(self, slowdown=1.0).step_seconds(num_images, 1.0)
        most = math.log2(constants.MOST_SLOWDOWN)
        return replace(
            self, slowdown=2.0 ** min(max(round(math.log2(seconds / usual)), -most), most)
        )

    def step_seconds(self, num_images: int, cost: float) -> float:
        """Estimate the seconds of a training step; `cost` of an image, 1 for the base recipe's."""
        if self.device == "gpu":
            return self.slowdown * num_images * cost * constants.GPU_SECONDS
        cores = min(self.cores, constants.MOST_CORES) / constants.CPU_CORES
        return self.slowdown * num_images * cost * constants.CPU_SECONDS / cores

    def __str__(self) -> str:
        """Name the machine."""
        name = f"{self.cores} core{'s' * (self.cores != 1)}"
        if self.device == "gpu":
            name = "a GPU" if self.processes == 1 else f"{self.processes} GPUs"
        if self.slowdown == 1:
            return name
        factor = f"{max(self.slowdown, 1 / self.slowdown):g}"
        return f"{name} ({factor} times {'slower' if self.slowdown > 1 else 'faster'} than usual)"


@dataclass(frozen=True)
class LearningRate:
    """A learning rate for an optimizer and batches of a size, and the key that it is the value of.

    The key is in a table of fine-tuning where it is for a start from a detector alone.
    """

    key: str
    value: float
    optimizer: OptimizerName
    batch_size: int


@dataclass(frozen=True)
class StartFacts:
    """The detector that a training starts from."""

    source: str
    model: DetectorSettings  # as it is trained on
    macs: int  # multiply-adds of one image
    rate: LearningRate  # of the recipe that is changed
    knows_classes: bool
    has_tables: bool  # the recipe has values of its own for fine-tuning
    like_base: bool  # small, and of the base recipe's kind: what was measured on such holds for it
    has_base_levels: bool = False  # levels, priors and heads are the base recipe's
    layers: Mapping[int, str] = field(default_factory=dict)  # by stride, where they name levels


@dataclass(frozen=True)
class Task:
    """All that the rules depend on."""

    facts: DataFacts
    machine: TrainingMachine
    seconds: float | None = None  # time budget
    start: StartFacts | None = None
    given: Mapping[str, object] = field(default_factory=dict)  # values by key that are not chosen
    most_pixels: float = math.inf  # of the input, by --max-latency or --max-gmac
    limited_by: str = ""  # which of them, with its value
    relative_macs: float = 1.0  # of a pixel, against the base recipe: another network may be given

    @property
    def time(self) -> str:
        """The time budget in words."""
        if self.seconds is None:
            return "no time budget"
        minutes = self.seconds / 60
        if minutes >= 120:
            return f"{minutes / 60:.3g} hours"
        return f"{minutes:.3g} minutes" if minutes >= 2 else f"{self.seconds:.3g} seconds"

    def is_given(self, key: str) -> bool:
        """Return whether a key, its table, or a part of it is given."""
        return any(
            one == key or one.startswith(f"{key}.") or key.startswith(f"{one}.")
            for one in self.given
        )

    @property
    def learns_new_classes(self) -> bool:
        """Return whether a detector like the base learns new classes."""
        return self.start is not None and self.start.like_base and not self.start.knows_classes

    @property
    def chooses_network(self) -> bool:
        """Return whether levels, priors and heads are the base recipe's, not those of a start."""
        return self.start is None or self.start.has_base_levels

    def settle(self, choice: RecipeChoice) -> RecipeChoice:
        """Return the choice, or what is given in its place, also of a value for fine-tuning."""
        for key in (choice.key, choice.key.removeprefix("fine_tuning.")):
            if key in self.given:
                return RecipeChoice.of_user(key, self.given[key])
        return choice

    def cost(self, pixels: float, *, fine: bool = False) -> float:
        """Estimate the cost of an image in training; 1 for the base recipe at its own input."""
        relative = pixels / constants.REFERENCE_PIXELS * (constants.FINE_COST if fine else 1.0)
        if self.start is None:
            return self.relative_macs * relative
        height, width = self.start.model.input
        of_start = self.start.macs * constants.REFERENCE_PIXELS / (height * width)
        return of_start / constants.BASE_MACS * relative

    def steps_in_time(self, batch: int, cost: float) -> int | None:
        """Estimate how many steps fit into the time budget; None without one."""
        if self.seconds is None:
            return None
        step = self.machine.step_seconds(batch, cost)
        return max(int(constants.FOR_STEPS * self.seconds / step), 1)

    def describe(self) -> list[str]:
        """Describe the data, the start, the machine and the time, a line each."""
        lines = [self.facts.describe()]
        if self.start is None:
            name = constants.SUGGESTED_START
            lines.append(
                f"start: no detector; for photographs of everyday things one gives more in the "
                f"same time: --init {name}, after singleshot models download {name}"
            )
        else:
            known = "knows" if self.start.knows_classes else "does not know"
            line = (
                f"start: {self.start.source}, {self.start.macs / 1e9:.2f} GMAC, {known} all of the "
                f"classes"
            )
            if self.start.has_base_levels:
                line += (
                    f"; its backbone alone, as it has no level of stride "
                    f"{min(constants.BASE_STRIDES)}: levels and heads are those of "
                    f"{constants.BASE}"
                )
            lines.append(line)
        lines.append(f"machine: {self.machine}, {self.time}")
        return lines
