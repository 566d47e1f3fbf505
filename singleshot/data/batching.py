"""Training batches: determined by the seed, so that any of them can be drawn again."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from singleshot.data.augment.paste import Paste
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.view import draw_index, happens
from singleshot.data.machine import available_cores
from singleshot.data.repeats import Repeats, Round
from singleshot.data.shuffling import ShardWindow
from singleshot.errors import RunFailed, SingleshotError
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

SECONDS_AFTER_SIGTERM = 20  # for a step and the saving of a checkpoint
MOST_WORKERS = 8  # beside a GPU
# Forked processes start at once and share the images in memory. Python forks by default up to
# 3.13; here they have one thread and touch nothing that other threads hold.
CAN_FORK = sys.platform == "linux"

# In PyTorch's errors when a process of its loader was killed, exited, or had no shared memory.
WORKER_DIED = ("is killed by signal", "exited unexpectedly", "unable to allocate shared memory")


@runtime_checkable
class Images(Sized, Protocol):
    """Annotated images by index: a data set or its cache."""

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Draw:
    """One image in one epoch: what a training sample is drawn from."""

    epoch: int
    index: int
    clean: bool = False  # at the end of the training: fewer variations
    copy: int = 0  # of an image that comes more than once in a round (see `repeats`)


@dataclass(frozen=True)
class AugmentedImages(Dataset[Sample]):
    """Augmented samples by draw; a draw gives the same sample in any process and order."""

    images: Images
    augmentation: Augmentation
    seed: int
    window: ShardWindow | None = None  # of shards that are larger than the memory
    repeats: Repeats | None = None  # of images of rare classes
    paste: Paste | None = None  # of their objects

    def __getitem__(self, draw: Draw) -> Sample:
        random = torch.Generator()
        # Each copy is varied in its own way; the first as an image without copies.
        copy = [draw.copy] if draw.copy else []
        mixed = np.random.SeedSequence([self.seed, draw.epoch, draw.index, *copy])
        random.manual_seed(int(mixed.generate_state(1, np.uint64)[0]) >> 1)
        sample = self.images[draw.index]
        if draw.clean:
            return self.augmentation.clean(sample, random)

        def another() -> Sample:
            if self.window is not None:
                return self.images[self.window.draw_near(draw.index, random)]
            if self.repeats is not None:
                return self.images[self.repeats.draw_index(random)]
            return self.images[draw_index(len(self.images), random)]

        if self.paste is not None and happens(self.paste.probability, random):
            donor = self.images[self.paste.objects.draw_image(random)]
            sample = self.paste(sample, donor, random)
        return self.augmentation.mix(sample, another, random)

    def __getitems__(self, draws: Sequence[Draw]) -> list[Sample] | SingleshotError:
        """Read the samples of a batch with as many threads as PyTorch may use.

        The error of a broken image is returned, not raised: a worker process would wrap it in its
        traceback.
        """
        try:
            # A worker process has one thread.
            with ThreadPoolExecutor(torch.get_num_threads()) as pool:
                return list(pool.map(self.__getitem__, draws))
        except SingleshotError as error:
            return error


@dataclass
class Order(Sampler[list[Draw]]):
    """The order of images: each once an epoch, shuffled; a last batch is filled from the next.

    `num_steps` may change while batches are drawn.

    Of several processes, each draws its share of every batch; together they draw the same images
    as one would. Images of large shards are shuffled within a window: see `shuffling`. All
    processes read from the same few shards at a time, which those of a machine share.

    With `repeats`, images of rare classes come more often, and the others less than once an epoch,
    which is as long as ever.
    """

    num_images: int
    batch_size: int  # of all shares together
    num_steps: int
    seed: int
    first_step: int = 0
    clean_end: float = 0.0  # last part of all steps, with fewer variations
    share: int = 0
    num_shares: int = 1
    window: ShardWindow | None = None
    repeats: Repeats | None = None

    def __len__(self) -> int:
        return self.num_steps - self.first_step

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in count(self.first_step):
            if step >= self.num_steps:
                return
            clean = step >= (1 - self.clean_end) * self.num_steps
            yield [self.draw(position, clean=clean) for position in self.positions(step)]

    def positions(self, step: int) -> range:
        """List the positions of this share of a batch, counted over all epochs.

        Shares differ by one image at most.
        """
        start = step * self.batch_size
        first, end = (
            self.batch_size * share // self.num_shares for share in (self.share, self.share + 1)
        )
        return range(start + first, start + end)

    def draw(self, position: int, *, clean: bool) -> Draw:
        """Choose the image at a position, counted over all epochs."""
        if self.repeats is not None:
            number, place = self.repeats.locate(position)
            images, copies = _round(self.repeats, number, self.window)
            return Draw(number, int(images[place]), clean, int(copies[place]))
        epoch, position = divmod(position, self.num_images)
        index = int(_permutation(self.num_images, self.seed, epoch, self.window)[position])
        return Draw(epoch, index, clean)


# A batch may reach into the next epoch.
@lru_cache(maxsize=2)
def _permutation(number: int, seed: int, epoch: int, window: ShardWindow | None) -> np.ndarray:
    if window is not None:
        return window.permutation(seed, epoch)
    return np.random.default_rng([seed, epoch]).permutation(number)


# A batch may reach into the next round.
@lru_cache(maxsize=2)
def _round(repeats: Repeats, number: int, window: ShardWindow | None) -> Round:
    return repeats.round(number, window)


def _ignore_interrupts(_: int) -> None:
    """Leave signals to the training process: Ctrl-C and a cluster's SIGTERM reach its workers too.

    A worker ends with the training process, or some seconds after a SIGTERM, because Python waits
    at its end for the processes that it has terminated.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(SECONDS_AFTER_SIGTERM))


def training_batches(
    images: AugmentedImages, order: Order, *, workers: int, pin_memory: bool
) -> Iterator[Batch]:
    """Yield the batches of a training, prepared by this process or by `workers` others.

    Raises:
        SingleshotError: an image cannot be read, or its shard not be fetched.
        RunFailed: a worker process died.
    """
    loader = DataLoader(
        images,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_batch_or_error,
        pin_memory=pin_memory,
        worker_init_fn=_ignore_interrupts,
        multiprocessing_context="fork" if CAN_FORK and workers else None,
        # Or it would use random numbers of the training, once more for each resume.
        generator=torch.Generator(),
    )
    # Closed in any case: a stored traceback would keep the loader's processes alive.
    with closing(_load(loader)) as batches:
        for batch in batches:
            if isinstance(batch, SingleshotError):
                raise batch
            with _delay_worker_errors():
                yield batch


def _load(loader: DataLoader[Sample]) -> Generator[Batch | SingleshotError, None, None]:
    """Iterate over the loader; RunFailed when one of its processes died or had no memory."""
    try:
        yield from loader
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A connection breaks where the process died while it handed a batch over.
        broken = not isinstance(error, RuntimeError)
        if not broken and not any(words in str(error) for words in WORKER_DIED):
            raise
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise RunFailed(
            f"a process that prepares images died ({what}), most often because there is too "
            f"little memory, or shared memory in a container; use fewer, such as --set "
            f"training.workers=0, with --resume: the run is saved up to the last step"
        ) from error


def default_workers(*, on_gpu: bool, num_local: int = 1) -> int:
    """Choose the number of worker processes for one of `num_local` trainings on this machine.

    Beside a GPU they get the cores, up to eight; on a CPU one is best. Without fork there are none:
    starting one takes seconds, and would run a script without a `__main__` guard again.
    """
    if not CAN_FORK:
        return 0
    share = available_cores() // num_local
    return min(max(share - 1, 1), MOST_WORKERS) if on_gpu else 1


@contextmanager
def _delay_worker_errors() -> Iterator[None]:
    """Keep PyTorch from raising in the middle of a step when a process of its loader dies.

    Its handler of SIGCHLD does so; without it the loader raises when the next batch is fetched.
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
    """The batches of a training; each iteration draws them again."""

    images: AugmentedImages
    order: Order
    workers: int
    pin_memory: bool

    def __iter__(self) -> Iterator[Batch]:
        return training_batches(
            self.images, self.order, workers=self.workers, pin_memory=self.pin_memory
        )

    def between(self, first_step: int, num_steps: int) -> TrainingBatches:
        """Start at a step, in a training of `num_steps`."""
        order = replace(self.order, first_step=first_step, num_steps=num_steps)
        return replace(self, order=order)

    def change_num_steps(self, num_steps: int) -> None:
        """Change the length of the training, for batches that are not in preparation yet.

        An iteration that has begun keeps its worker processes.
        """
        self.order.num_steps = num_steps


def _batch_or_error(fetched: list[Sample] | SingleshotError) -> Batch | SingleshotError:
    return fetched if isinstance(fetched, SingleshotError) else Batch.of(fetched)
