"""Training batches: they follow from the seed alone, so that any of them can be replayed."""

import signal
from collections.abc import Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from singleshot.data.augment.chance import pick
from singleshot.data.augment.pipeline import Augmentation
from singleshot.errors import DataError
from singleshot.structures import Batch, Sample

__all__ = ["AugmentedPictures", "Draw", "Order", "Pictures", "training_batches"]


@runtime_checkable
class Pictures(Sized, Protocol):
    """A data set, cached or not."""

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Draw:
    """One picture's turn in one epoch."""

    epoch: int
    index: int
    clean: bool = False  # near the end of the training: no other picture is mixed in


@dataclass(frozen=True)
class AugmentedPictures(Dataset[Sample]):
    """Each draw gives the same sample, in whatever process and order it is asked for."""

    pictures: Pictures
    augmentation: Augmentation
    seed: int

    def __getitem__(self, draw: Draw) -> Sample:
        random = torch.Generator()
        mixed = np.random.SeedSequence([self.seed, draw.epoch, draw.index])
        random.manual_seed(int(mixed.generate_state(1, np.uint64)[0]) >> 1)
        sample = self.pictures[draw.index]
        if draw.clean:
            return self.augmentation(sample, random)

        def another() -> Sample:
            return self.pictures[pick(len(self.pictures), random)]

        return self.augmentation.mixed(sample, another, random)

    def __getitems__(self, draws: Sequence[Draw]) -> list[Sample] | DataError:
        """A batch at once: in this process by as many threads as PyTorch may use.

        A broken picture is returned, not raised: a worker process would wrap it in its traceback.
        """
        try:
            # A worker process has one thread.
            with ThreadPoolExecutor(torch.get_num_threads()) as pool:
                return list(pool.map(self.__getitem__, draws))
        except DataError as error:
            return error


@dataclass(frozen=True)
class Order(Sampler[list[Draw]]):
    """Every picture once an epoch, in a new order; its last batch takes from the next epoch."""

    num_pictures: int
    batch_size: int
    num_steps: int
    seed: int
    first_step: int = 0
    clean_end: float = 0.0  # last part of all steps, without other pictures mixed in

    def __len__(self) -> int:
        return self.num_steps - self.first_step

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self.first_step, self.num_steps):
            start = step * self.batch_size
            clean = step >= (1 - self.clean_end) * self.num_steps
            yield [
                self.draw(position, clean=clean)
                for position in range(start, start + self.batch_size)
            ]

    def draw(self, position: int, *, clean: bool) -> Draw:
        """The picture at a position, counted over all epochs."""
        epoch, place = divmod(position, self.num_pictures)
        index = int(permutation(self.num_pictures, self.seed, epoch)[place])
        return Draw(epoch, index, clean)


# A batch may reach into the next epoch.
@lru_cache(maxsize=2)
def permutation(number: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(number)


def ignore_interrupts(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the training process decides what to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def training_batches(
    pictures: AugmentedPictures, order: Order, *, workers: int, pin_memory: bool
) -> Iterator[Batch]:
    """All batches of a training, prepared by this process or by several others.

    Raises DataError when it comes to a picture that cannot be read.
    """
    loader = DataLoader(
        pictures,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=batch_or_error,
        pin_memory=pin_memory,
        worker_init_fn=ignore_interrupts,
    )
    for batch in loader:
        if isinstance(batch, DataError):
            raise batch
        yield batch


def batch_or_error(fetched: list[Sample] | DataError) -> Batch | DataError:
    return fetched if isinstance(fetched, DataError) else Batch.of(fetched)
