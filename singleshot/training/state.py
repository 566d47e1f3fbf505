"""All that a training needs to go on exactly where it stopped."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from singleshot.errors import ModelError
from singleshot.files import appears_whole
from singleshot.training.processes import Processes
from singleshot.training.weight_average import WeightAverage

__all__ = ["Progress", "load_progress", "load_state", "require_same_training", "save_state"]

# Seeds, order and augmentation follow from the recipe and the step: nothing of theirs is stored.
# What is left is the dropout of a backbone.
RANDOM, CUDA_RANDOM, MPS_RANDOM = "random", "random.cuda", "random.mps"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is; the number of its steps may have changed on the way."""

    step: int  # steps done
    num_steps: int
    best: float | None  # the best validation so far
    data: str  # the pictures and classes it learns from, as a hash
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


def save_state(  # noqa: PLR0917 (all that a training consists of)
    path: Path,
    progress: Progress,
    model: nn.Module,
    average: WeightAverage,
    optimizer: Optimizer,
    processes: Processes,
) -> None:
    """Write everything, whole or not at all: one process does it for all."""
    everyone = processes.gather(random_states())
    if processes.first:
        write_state(path, progress, model, average, optimizer, everyone)
    # Nobody goes on, or leaves, before it is there.
    processes.from_first(None)


def write_state(  # noqa: PLR0917
    path: Path,
    progress: Progress,
    model: nn.Module,
    average: WeightAverage,
    optimizer: Optimizer,
    random_states: Sequence[dict[str, Tensor]],
) -> None:
    """`random_states` are those of every process."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.model.state_dict().items()}
    tensors |= {f"momentum.{number}": tensor for number, tensor in momenta(optimizer).items()}
    for rank, states in enumerate(random_states):
        tensors |= {of_rank(name, rank): state for name, state in states.items()}
    content = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with appears_whole(path) as beside:
        beside.write_bytes(save(content, metadata={"progress": json.dumps(asdict(progress))}))


def load_progress(path: Path) -> Progress:
    """How far the training that wrote this state is; ModelError when the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return Progress(**json.loads(file.metadata()["progress"]))
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({error}); choose another --run") from error


def load_state(
    path: Path,
    model: nn.Module,
    average: WeightAverage,
    optimizer: Optimizer,
    *,
    processes: Processes,
    expected: Progress,
) -> Progress:
    """Put everything back; ModelError unless it was begun with the same data and length."""
    progress = load_progress(path)
    require_same_training(path, progress, expected)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model.load_state_dict(starting_with("model.", tensors))
        average.model.load_state_dict(starting_with("average.", tensors))
    except (SafetensorError, RuntimeError, KeyError) as error:
        what = str(error).splitlines()[-1].strip()
        raise ModelError(f"{path}: does not fit this recipe ({what}); begin a new run") from error
    for number, tensor in starting_with("momentum.", tensors).items():
        parameter = numbered(optimizer)[int(number)]
        # In the parameter's own memory layout: the optimizer is several times slower across two.
        optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(tensor)
    # With more processes than before, new ones keep the random numbers they begin with.
    for name, generator in random_generators().items():
        if (own := of_rank(name, processes.rank)) in tensors:
            generator.set_rng_state(tensors[own])
    return replace(progress, num_processes=processes.number)


def require_same_training(path: Path, progress: Progress, expected: Progress) -> None:
    """Raises ModelError, naming what differs between a run that was begun and this one."""
    if progress.data != expected.data:
        raise ModelError(
            f"{path}: the run was begun with other pictures, boxes, classes or another split; "
            f"resume with the same, or begin a new run"
        )
    if progress.fitted_at is None and progress.num_steps != expected.num_steps:
        raise ModelError(
            f"{path}: the run was begun with {progress.num_steps} steps, and this recipe has "
            f"{expected.num_steps}; resume with the recipe it was begun with, or begin a new run"
        )
    if progress.teacher != expected.teacher:
        how = "with another teacher than this one"
        if progress.teacher is None:
            how = "without a teacher, and one is given"
        elif expected.teacher is None:
            how = "with a teacher, and none is given"
        raise ModelError(
            f"{path}: the run was begun {how}; resume with the same --teacher, or begin a new run"
        )


def of_rank(name: str, rank: int) -> str:
    return f"{name}.{rank}" if rank else name


def random_states() -> dict[str, Tensor]:
    """Of the host and, where there is one, of the GPU."""
    return {name: generator.get_rng_state() for name, generator in random_generators().items()}


def random_generators() -> dict[str, ModuleType]:
    """What draws random numbers here: a module of PyTorch for each kind of device."""
    generators: dict[str, ModuleType] = {RANDOM: torch}
    if torch.cuda.is_available():
        generators[CUDA_RANDOM] = torch.cuda
    if torch.backends.mps.is_available():
        generators[MPS_RANDOM] = torch.mps
    return generators


def momenta(optimizer: Optimizer) -> dict[int, Tensor]:
    """The momentum of each parameter, by its number."""
    return {
        number: optimizer.state[parameter]["momentum_buffer"]
        for number, parameter in enumerate(numbered(optimizer))
        if "momentum_buffer" in optimizer.state[parameter]
    }


def numbered(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def starting_with(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
