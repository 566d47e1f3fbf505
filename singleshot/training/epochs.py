"""Steps counted as passes over the data."""

from dataclasses import dataclass

__all__ = ["Epochs"]


@dataclass(frozen=True, slots=True)
class Epochs:
    """Small data sets have several epochs in one step, large ones many steps in an epoch."""

    num_images: int
    batch_size: int

    def of(self, step: int) -> int:
        """The epoch, from 1, that a step, counted from 1, belongs to by its first image."""
        return 1 + (step - 1) * self.batch_size // self.num_images

    def ends_period(self, step: int, every: int) -> bool:
        """Whether the step after this one belongs to another period of so many epochs."""
        return (self.of(step + 1) - 1) // every > (self.of(step) - 1) // every

    def periods_ended(self, step: int, until: int, every: int) -> int:
        """How many of the steps from one to before another end a period of so many epochs."""
        periods = (self.of(until) - 1) // every - (self.of(step) - 1) // every
        return min(periods, until - step)
