"""The processes that train together: torchrun starts them, on one machine or on many.

Each computes gradients of a share of every batch, and all take the same steps, so that their
weights never differ. All communication goes through `Processes`, but for statistics within the
network: those of batch norms (`batch_norm`) and the ranges of a quantised network. So a pass of the
network in training mode is a collective operation, too. A process alone has nothing to exchange.
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
from singleshot.options import Device
from singleshot.structures import Batch

__all__ = [
    "ALONE",
    "Processes",
    "choose_backend",
    "is_first_process",
    "process_group",
    "processes_from_environment",
    "share_errors",
]

Value = TypeVar("Value")

# No process keeps the others waiting for as long: one that does not answer by then is lost.
PATIENCE = timedelta(minutes=10)
# In errors of gloo and NCCL, which have no type of their own, about a process that is gone.
LOST = ("gloo", "Connection closed", "Connection reset", "Broken pipe", "NCCL", "Timed out")
ERRORS = "singleshot/errors"
SECONDS_TO_PRINT = 2.0


@dataclass(frozen=True, slots=True)
class Processes:
    """One process of a group, and the collective operations of the group.

    As in torch.distributed, every process has to call each operation, in the same order.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0  # on this machine
    local_world_size: int = 1
    supervised: bool = False  # by torchrun, which may start all of them again
    restarted: bool = False  # as it has done

    @property
    def is_first(self) -> bool:
        """True for the process that writes files and prints messages."""
        return self.rank == 0

    @property
    def is_distributed(self) -> bool:
        """True if there are other processes."""
        return self.world_size > 1

    def sum(self, *values: float) -> list[float]:
        """Sum each number over all processes; a GPU does not have to wait."""
        if not self.is_distributed:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        found: list[float] = sums.tolist()
        return found

    def any(self, *values: bool) -> list[bool]:
        """Check for each value whether it is true in some process."""
        return [number > 0 for number in self.sum(*map(float, values))]

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place, on whatever device it is."""
        if self.is_distributed:
            dist.all_reduce(tensor)
        return tensor

    def all_gather(self, value: Value) -> list[Value]:
        """Collect the value of each process, by rank."""
        if not self.is_distributed:
            return [value]
        values = [value] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Value) -> Value:
        """Return the value of the first process."""
        if not self.is_distributed:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors by those of the first process."""
        if self.is_distributed:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def require_same(self, about: Mapping[str, str]) -> None:
        """Raise SingleshotError naming the first text that differs between processes."""
        of_all = self.all_gather(dict(about))
        for what, value in of_all[0].items():
            others = [rank for rank, theirs in enumerate(of_all) if theirs[what] != value]
            if others:
                raise SingleshotError(
                    f"{what}: process {others[0]} has other than process 0 "
                    f"({_first_difference(of_all[others[0]][what], value)}); start all with the "
                    f"same"
                )


ALONE = Processes()


def _first_difference(text: str, other: str) -> str:
    pairs = zip(text.splitlines(), other.splitlines(), strict=False)
    return next((f"{one}, not {two}" for one, two in pairs if one != two), "more or fewer lines")


def share_errors(batches: Iterable[Batch], processes: Processes) -> Iterator[Batch]:
    """Yield batches; an error in one process is raised in all, so that all can save their state."""
    following = iter(batches)
    while True:
        batch, error = None, None
        try:
            batch = next(following, None)
        except SingleshotError as caught:
            error = caught
        if any(processes.any(error is not None)):
            raise next(one for one in processes.all_gather(error) if one is not None)
        if batch is None:
            return
        yield batch


def is_first_process() -> bool:
    """Check torchrun's environment, before the group exists, whether this process prints."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


@contextmanager
def process_group(device: Device = "auto") -> Iterator[Processes]:
    """Join the group that torchrun's environment describes, if it describes one.

    An error in one process ends all: it prints its message, the others raise
    FailedInAnotherProcess.

    Args:
        device: as requested to train on; unless it is the CPU, each process gets its own GPU of
            those that there are.

    Raises:
        SingleshotError: there are fewer GPUs than processes.
        RunFailed: the processes cannot connect.
    """
    processes = processes_from_environment(os.environ)
    if not processes.is_distributed:
        yield processes
        return
    store = _join(processes, choose_backend(processes, device))
    try:
        yield processes
        # The store ends with the process that holds it: others may still need it.
        dist.barrier()
    except Exception as error:
        raise _report_once(error, processes, store) from error
    finally:
        dist.destroy_process_group()


def processes_from_environment(environment: Mapping[str, str]) -> Processes:
    """Read the variables that torchrun sets for each process."""

    def number(name: str, default: int) -> int:
        return int(environment.get(name, default))

    return Processes(
        rank=number("RANK", 0),
        world_size=number("WORLD_SIZE", 1),
        local_rank=number("LOCAL_RANK", 0),
        local_world_size=number("LOCAL_WORLD_SIZE", 1),
        supervised="TORCHELASTIC_RUN_ID" in environment,
        restarted=number("TORCHELASTIC_RESTART_COUNT", 0) > 0,
    )


def choose_backend(processes: Processes, device: Device) -> str:
    """Choose gloo for host memory, NCCL for GPUs, and make the process' GPU the current one."""
    if str(device) == "cpu" or not torch.cuda.is_available():
        return "gloo"
    # A launcher may state the rank on this machine without the number of processes.
    number = max(processes.local_world_size, processes.local_rank + 1)
    available = torch.cuda.device_count()
    if number > available:
        if processes.local_rank > 0:  # all have the same error: one of each machine prints it
            time.sleep(SECONDS_TO_PRINT)
            raise FailedInAnotherProcess("there are fewer GPUs than processes")
        raise SingleshotError(
            f"{number} processes, but {available} GPUs on this machine: each process needs its "
            f"own; give torchrun --nproc-per-node {available}, or train with --device cpu"
        )
    torch.cuda.set_device(processes.local_rank)
    return "cpu:gloo,cuda:nccl"


def _join(processes: Processes, backend: str) -> Store:
    """Initialise torch.distributed."""
    try:
        store: Store
        store, rank, world_size = next(rendezvous("env://", timeout=PATIENCE))
        dist.init_process_group(
            backend,
            store=PrefixStore("singleshot", store),
            rank=rank,
            world_size=world_size,
            timeout=PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise RunFailed(
            f"the {processes.world_size} processes of the training cannot connect: {error}; "
            f"torchrun must name a machine and port that all can reach, and GLOO_SOCKET_IFNAME the "
            f"network"
        ) from error
    return store


def _report_once(error: Exception, processes: Processes, store: Store) -> Exception:
    """Return the error in the process that had one first, FailedInAnotherProcess in all others."""
    lost = not isinstance(error, SingleshotError) and any(sign in str(error) for sign in LOST)
    try:
        silent = store.add(ERRORS, 1) > 1
    except RuntimeError:
        # The store is gone with its machine: one process of each other machine reports.
        silent = lost and processes.local_rank > 0
    if silent:
        # torchrun ends all as soon as one has left: the one that reports needs time to print.
        time.sleep(SECONDS_TO_PRINT)
        return FailedInAnotherProcess("another process of the training failed; see its message")
    if lost:
        return RunFailed(
            "another process of the training is gone: killed, out of memory, or its machine or "
            "network is down; what was saved before is intact, and --resume continues from there"
        )
    return error
