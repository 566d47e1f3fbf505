"""The processes that train together: torchrun starts them, on one machine or on many.

Each learns from a share of every batch, and all take the same steps, so that their weights never
differ. What they must agree on goes through here; a process alone agrees with itself.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from singleshot.errors import FailedInAnotherProcess, RunFailed, SingleshotError
from singleshot.structures import Batch

__all__ = ["ALONE", "Processes", "is_first_process", "joined_processes", "together"]

Value = TypeVar("Value")

# Nobody keeps the others waiting for as long: who does not answer then is lost.
PATIENCE = timedelta(minutes=10)
# What gloo and NCCL say, in no type of their own, of a process that is gone.
LOST = ("gloo", "Connection closed", "Connection reset", "Broken pipe", "NCCL", "Timed out")
ERRORS = "singleshot/errors"
SECONDS_TO_SPEAK = 2.0


@dataclass(frozen=True, slots=True)
class Processes:
    """One process of a group: which it is, and what all of them do together.

    What is asked of the others must be asked by each, in the same order.
    """

    rank: int = 0
    number: int = 1
    local_rank: int = 0  # on this machine
    num_local: int = 1
    supervised: bool = False  # by torchrun, which may start all of them again
    restarted: bool = False  # as it has done

    @property
    def first(self) -> bool:
        """The one that writes and speaks."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.number > 1

    def sum(self, *values: float) -> list[float]:
        """The sum of each value over all processes, without asking a GPU to wait."""
        if not self.several:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        found: list[float] = sums.tolist()
        return found

    def any(self, *values: bool) -> list[bool]:
        """Whether each value is true for some process."""
        return [number > 0 for number in self.sum(*map(float, values))]

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place, on whatever device it is."""
        if self.several:
            dist.all_reduce(tensor)
        return tensor

    def gather(self, value: Value) -> list[Value]:
        """Everyone's value, by rank."""
        if not self.several:
            return [value]
        values = [value] * self.number
        dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Value) -> Value:
        """The first process' value."""
        if not self.several:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors by the first process' own."""
        if self.several:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def require_same(self, about: Mapping[str, str]) -> None:
        """Raises SingleshotError naming what is not the same in every process."""
        everyone = self.gather(dict(about))
        for what, value in everyone[0].items():
            others = [rank for rank, theirs in enumerate(everyone) if theirs[what] != value]
            if others:
                raise SingleshotError(
                    f"{what}: process {others[0]} has other than process 0 "
                    f"({difference(everyone[others[0]][what], value)}); start all with the same"
                )


def difference(text: str, other: str) -> str:
    """The first line that two texts do not share."""
    pairs = zip(text.splitlines(), other.splitlines(), strict=False)
    return next((f"{one}, not {two}" for one, two in pairs if one != two), "more or fewer lines")


ALONE = Processes()


def together(batches: Iterable[Batch], processes: Processes) -> Iterator[Batch]:
    """Batches; an error in one process is one in all, so that all can save what they learned."""
    following = iter(batches)
    while True:
        batch, error = None, None
        try:
            batch = next(following, None)
        except SingleshotError as caught:
            error = caught
        if any(processes.any(error is not None)):
            raise next(one for one in processes.gather(error) if one is not None)
        if batch is None:
            return
        yield batch


def is_first_process() -> bool:
    """Whether this process may speak; known before the processes have met."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """This process, and the others if torchrun's environment tells of some.

    An error in one ends all: it prints what happened, the others raise FailedInAnotherProcess.
    """
    processes = from_environment(os.environ)
    if not processes.several:
        yield processes
        return
    store = join(processes)
    try:
        yield processes
        # Who leaves early might take with it what others still need.
        dist.barrier()
    except Exception as error:
        raise said_once(error, processes, store) from error
    finally:
        dist.destroy_process_group()


def from_environment(environment: Mapping[str, str]) -> Processes:
    """What torchrun says of this process."""

    def number(name: str, default: int) -> int:
        return int(environment.get(name, default))

    return Processes(
        rank=number("RANK", 0),
        number=number("WORLD_SIZE", 1),
        local_rank=number("LOCAL_RANK", 0),
        num_local=number("LOCAL_WORLD_SIZE", 1),
        supervised="TORCHELASTIC_RUN_ID" in environment,
        restarted=number("TORCHELASTIC_RESTART_COUNT", 0) > 0,
    )


def join(processes: Processes) -> Store:
    """Meet the others: host memory goes through gloo, a GPU's through NCCL."""
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(processes.local_rank)
        backend = "cpu:gloo,cuda:nccl"
    try:
        found: Store
        found, rank, number = next(rendezvous("env://", timeout=PATIENCE))
        dist.init_process_group(
            backend,
            store=PrefixStore("singleshot", found),
            rank=rank,
            world_size=number,
            timeout=PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise RunFailed(
            f"the {processes.number} processes of the training do not meet: {error}; torchrun must "
            f"name a machine and port that all can reach, and GLOO_SOCKET_IFNAME the network"
        ) from error
    return found


def said_once(error: Exception, processes: Processes, store: Store) -> Exception:
    """The error for the process that was the first to have one; all others keep silent."""
    lost = not isinstance(error, SingleshotError) and any(sign in str(error) for sign in LOST)
    try:
        silent = store.add(ERRORS, 1) > 1
    except RuntimeError:
        # Gone with its machine: one process of each other machine speaks.
        silent = lost and processes.local_rank > 0
    if silent:
        # torchrun ends all as soon as one has left: who speaks may finish the sentence.
        time.sleep(SECONDS_TO_SPEAK)
        return FailedInAnotherProcess("another process of the training failed; see its message")
    if lost:
        return RunFailed(
            "another process of the training is gone: killed, out of memory, or its machine or "
            "network is down; what was saved before is good, and --resume goes on from there"
        )
    return error
