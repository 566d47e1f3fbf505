"""Save and load the state of a training, from which it resumes bit for bit."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from singleshot.errors import ModelError
from singleshot.files import write_atomically
from singleshot.runs.progress import TrainingProgress, load_progress
from singleshot.training.optimizers import WeightAverage
from singleshot.training.processes import Processes

__all__ = ["load_state", "require_same_training", "save_state"]

# What SGD and AdamW keep of a parameter, by torch's names, and how the file names it.
STEP = "step"
OPTIMIZER_STATE = {
    "momentum_buffer": "momentum",
    "exp_avg": "mean_gradient",
    "exp_avg_sq": "mean_squared_gradient",
    STEP: "parameter_step",
}

# Order and augmentation follow from the recipe's seed and the step. Other random numbers, such as
# those of a backbone's dropout, follow from these states.
RANDOM, CUDA_RANDOM, MPS_RANDOM = "random", "random.cuda", "random.mps"


def save_state(  # noqa: PLR0917 (the whole state of a training)
    path: Path,
    progress: TrainingProgress,
    model: nn.Module,
    average: WeightAverage,
    optimizer: Optimizer,
    processes: Processes,
) -> None:
    """Write the state atomically, in the first process for all."""
    everyone = processes.all_gather(random_states())
    if processes.is_first:
        _write_state(path, progress, model, average, optimizer, everyone)
    # No process continues, or ends, before the file is there.
    processes.broadcast(None)


def _write_state(  # noqa: PLR0917
    path: Path,
    progress: TrainingProgress,
    model: nn.Module,
    average: WeightAverage,
    optimizer: Optimizer,
    random_states: Sequence[dict[str, Tensor]],
) -> None:
    """`random_states` are those of every process."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.model.state_dict().items()}
    tensors |= optimizer_tensors(optimizer)
    for rank, states in enumerate(random_states):
        tensors |= {of_rank(name, rank): state for name, state in states.items()}
    content = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with write_atomically(path) as beside:
        beside.write_bytes(save(content, metadata={"progress": json.dumps(asdict(progress))}))


def load_state(
    path: Path,
    model: nn.Module,
    average: WeightAverage,
    optimizer: Optimizer,
    *,
    processes: Processes,
    expected: TrainingProgress,
) -> TrainingProgress:
    """Restore model, average, optimizer and random states; return the progress.

    Raises ModelError unless the run was begun with the same data, length and teacher.
    """
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
    load_optimizer_tensors(optimizer, tensors)
    # With more processes than before, new ones keep the random numbers they begin with.
    for name, generator in random_generators().items():
        if (own := of_rank(name, processes.rank)) in tensors:
            generator.set_rng_state(tensors[own])
    return replace(progress, num_processes=processes.world_size)


def require_same_training(
    path: Path, progress: TrainingProgress, expected: TrainingProgress
) -> None:
    """Raise ModelError, naming what differs between the run that was begun and this one."""
    if progress.data != expected.data:
        raise ModelError(
            f"{path}: the run was begun with other images, boxes, classes or another split; "
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
    """Get the states of the host and, where there is one, of the GPU."""
    return {name: generator.get_rng_state() for name, generator in random_generators().items()}


def random_generators() -> dict[str, ModuleType]:
    """List the sources of random numbers: a module of PyTorch for each kind of device."""
    generators: dict[str, ModuleType] = {RANDOM: torch}
    if torch.cuda.is_available():
        generators[CUDA_RANDOM] = torch.cuda
    if torch.backends.mps.is_available():
        generators[MPS_RANDOM] = torch.mps
    return generators


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Name what the optimizer keeps of each parameter: `momentum.3` is of the fourth."""
    return {
        f"{written}.{number}": optimizer.state[parameter][name]
        for number, parameter in enumerate(numbered(optimizer))
        for name, written in OPTIMIZER_STATE.items()
        if name in optimizer.state[parameter]
    }


def load_optimizer_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put what `optimizer_tensors` has named back."""
    parameters = numbered(optimizer)
    fused = optimizer.defaults["fused"]
    for name, written in OPTIMIZER_STATE.items():
        for number, tensor in starting_with(f"{written}.", tensors).items():
            parameter = parameters[int(number)]
            if name == STEP:  # on the host, unless one kernel takes the whole step
                kept = tensor.to(parameter.device) if fused else tensor
            else:
                # In the parameter's own memory layout: the optimizer is several times slower
                # across two.
                kept = torch.empty_like(parameter).copy_(tensor)
            optimizer.state[parameter][name] = kept


def numbered(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def starting_with(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
