"""Training batches: they follow from the seed alone, so that any of them can be replayed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from singleshot.data.augment.chance import pick
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.machine import available_cores
from singleshot.errors import DataError, RunFailed
from singleshot.structures import Batch, Sample

__all__ = [
    "AugmentedImages",
    "Draw",
    "Images",
    "Order",
    "TrainingBatches",
    "default_workers",
    "training_batches",
]

SECONDS_TO_OUTLIVE = 20  # enough for a step and its saving
MOST_WORKERS = 8  # beside a GPU
# Forked processes begin at once and share the images in memory. Python does so by default up to
# 3.13; here they have one thread and touch nothing that other threads hold.
CAN_FORK = sys.platform == "linux"

# What PyTorch says when a process of its loader was killed, left, or had no shared memory.
WORDS_OF_DEATH = ("is killed by signal", "exited unexpectedly", "unable to allocate shared memory")


@runtime_checkable
class Images(Sized, Protocol):
    """A data set, cached or not."""

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Draw:
    """One image's turn in one epoch."""

    epoch: int
    index: int
    clean: bool = False  # near the end of the training: varied less


@dataclass(frozen=True)
class AugmentedImages(Dataset[Sample]):
    """Each draw gives the same sample, in whatever process and order it is asked for."""

    images: Images
    augmentation: Augmentation
    seed: int

    def __getitem__(self, draw: Draw) -> Sample:
        random = torch.Generator()
        mixed = np.random.SeedSequence([self.seed, draw.epoch, draw.index])
        random.manual_seed(int(mixed.generate_state(1, np.uint64)[0]) >> 1)
        sample = self.images[draw.index]
        if draw.clean:
            return self.augmentation.clean(sample, random)

        def another() -> Sample:
            return self.images[pick(len(self.images), random)]

        return self.augmentation.mixed(sample, another, random)

    def __getitems__(self, draws: Sequence[Draw]) -> list[Sample] | DataError:
        """A batch at once: in this process by as many threads as PyTorch may use.

        A broken image is returned, not raised: a worker process would wrap it in its traceback.
        """
        try:
            # A worker process has one thread.
            with ThreadPoolExecutor(torch.get_num_threads()) as pool:
                return list(pool.map(self.__getitem__, draws))
        except DataError as error:
            return error


@dataclass(frozen=True)
class Order(Sampler[list[Draw]]):
    """Every image once an epoch, in a new order; its last batch takes from the next epoch.

    Of several processes, each draws its share of every batch: together they see what one would.
    """

    num_images: int
    batch_size: int  # of all shares together
    num_steps: int
    seed: int
    first_step: int = 0
    clean_end: float = 0.0  # last part of all steps, whose images are varied less
    share: int = 0
    num_shares: int = 1

    def __len__(self) -> int:
        return self.num_steps - self.first_step

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self.first_step, self.num_steps):
            clean = step >= (1 - self.clean_end) * self.num_steps
            yield [self.draw(position, clean=clean) for position in self.positions(step)]

    def positions(self, step: int) -> range:
        """This share of a batch, counted over all epochs; shares differ by one image at most."""
        start = step * self.batch_size
        first, end = (
            self.batch_size * share // self.num_shares for share in (self.share, self.share + 1)
        )
        return range(start + first, start + end)

    def draw(self, position: int, *, clean: bool) -> Draw:
        """The image at a position, counted over all epochs."""
        epoch, place = divmod(position, self.num_images)
        index = int(permutation(self.num_images, self.seed, epoch)[place])
        return Draw(epoch, index, clean)


# A batch may reach into the next epoch.
@lru_cache(maxsize=2)
def permutation(number: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(number)


def outlive_interrupts(_: int) -> None:
    """Ctrl-C reaches every process of a terminal, and a cluster's SIGTERM every process of a job.

    The training process decides what to do, and this one ends with it; or by itself, where nobody
    does after a SIGTERM: Python waits at its end for the processes it has told to stop.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(SECONDS_TO_OUTLIVE))


def training_batches(
    images: AugmentedImages, order: Order, *, workers: int, pin_memory: bool
) -> Iterator[Batch]:
    """All batches of a training, prepared by this process or by several others.

    Raises DataError when it comes to an image that cannot be read, and RunFailed when a process
    that prepares images died.
    """
    loader = DataLoader(
        images,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=batch_or_error,
        pin_memory=pin_memory,
        worker_init_fn=outlive_interrupts,
        multiprocessing_context="fork" if CAN_FORK and workers else None,
        # Or it would draw from the random numbers of the training, once more for each resuming.
        generator=torch.Generator(),
    )
    # Closed in any case: an error that somebody keeps would keep the loader's processes, too.
    with closing(prepared(loader)) as batches:
        for batch in batches:
            if isinstance(batch, DataError):
                raise batch
            with deaths_wait():
                yield batch


def prepared(loader: DataLoader[Sample]) -> Generator[Batch | DataError, None, None]:
    """What the loader gives; RunFailed when one of its processes died or found no memory."""
    try:
        yield from loader
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A connection breaks where the process died while it handed a batch over.
        broken = not isinstance(error, RuntimeError)
        if not broken and not any(words in str(error) for words in WORDS_OF_DEATH):
            raise
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise RunFailed(
            f"a process that prepares images died ({what}), most often because there is too "
            f"little memory, or shared memory in a container; take fewer of them, such as "
            f"--set training.workers=0, with --resume: what was learned until then is saved"
        ) from error


def default_workers(*, on_gpu: bool, num_local: int = 1) -> int:
    """Processes that prepare images for one of `num_local` trainings on this machine.

    A GPU leaves them the cores, up to eight. A processor that computes the steps itself is best
    with one. Where processes cannot be forked there is none: starting one takes seconds, and a
    script that is not written for it would begin anew in each.
    """
    if not CAN_FORK:
        return 0
    share = available_cores() // num_local
    return min(max(share - 1, 1), MOST_WORKERS) if on_gpu else 1


@contextmanager
def deaths_wait() -> Iterator[None]:
    """Keep PyTorch from raising in the middle of a step when a process of its loader dies.

    Its handler of SIGCHLD does so; without it the loader notices when the next batch is waited for.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or not hasattr(signal, "SIGCHLD"):
        yield  # where PyTorch has no handler either
        return
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler)


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of a training, drawn anew whenever they are asked for."""

    images: AugmentedImages
    order: Order
    workers: int
    pin_memory: bool

    def __iter__(self) -> Iterator[Batch]:
        return training_batches(
            self.images, self.order, workers=self.workers, pin_memory=self.pin_memory
        )

    def between(self, first_step: int, num_steps: int) -> TrainingBatches:
        """Those from a step on, of a training with so many steps."""
        order = replace(self.order, first_step=first_step, num_steps=num_steps)
        return replace(self, order=order)


def batch_or_error(fetched: list[Sample] | DataError) -> Batch | DataError:
    return fetched if isinstance(fetched, DataError) else Batch.of(fetched)
