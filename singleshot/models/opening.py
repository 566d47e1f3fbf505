"""Load detectors from runs and checkpoints, and import weights of other libraries."""

from dataclasses import dataclass
from pathlib import Path

import torch

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError
from singleshot.importers.recognise import WEIGHT_KINDS, detect_weight_kind, import_weights
from singleshot.runs.folder import RunFolder, default_folder

__all__ = [
    "Imported",
    "best_device",
    "import_model",
    "load",
    "start_from",
    "teacher_from",
]


@dataclass(frozen=True)
class Imported:
    """The run folder that imported weights were written to."""

    folder: Path
    kind: str  # the library that the weights are of
    class_names: tuple[str, ...]
    input: tuple[int, int]  # height, width


def best_device() -> torch.device:
    """Choose the accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load(model: str | Path, device: str | None = None) -> TrainableDetector:
    """Load a detector from a run folder or a checkpoint, on the accelerator if there is one.

    Raises ModelError if there is none at this path, or if it cannot be read.
    """
    path = checkpoint_file(Path(model))
    return detector_from(Checkpoint.load(path), source=str(path)).to(device or best_device())


def checkpoint_file(model: Path) -> Path:
    """Find the checkpoint of a run folder; a checkpoint is returned as it is."""
    if not model.exists():
        raise ModelError(f"{model}: there is no such run folder or checkpoint")
    return RunFolder(model).checkpoint() if model.is_dir() else model


def _is_run(path: Path) -> bool:
    return path.is_dir() and RunFolder(path).recipe.exists()


def start_from(init: str | Path) -> TrainedDetector | None:
    """Read a run, a checkpoint or weights of another library; None for any other file."""
    path = Path(init)
    if _is_run(path) or Checkpoint.is_one(path):
        return TrainedDetector(Checkpoint.load(checkpoint_file(path)), str(init))
    kind = detect_weight_kind(path)
    return None if kind is None else TrainedDetector(import_weights(path, kind), str(init))


def teacher_from(teacher: str | Path) -> TrainedDetector:
    """Read a run, a checkpoint or weights of another library; raises ModelError for others."""
    if not Path(teacher).exists():
        raise ModelError(f"{teacher}: there is no such run folder or checkpoint")
    detector = start_from(teacher)
    if detector is None:
        raise ModelError(
            f"{teacher}: not a known detector; a teacher is a run folder, a checkpoint or a file "
            f"that models import reads"
        )
    return detector


def import_model(
    file: str | Path, *, kind: str | None = None, output: str | Path | None = None
) -> Imported:
    """Import weights of another library as a run folder that evaluates, predicts and fine-tunes.

    Args:
        file: the weights; of Caffe, TensorFlow.js and Darknet, any of the files that belong
            together.
        kind: the library they are of: torchvision, amdegroot, lufficc, qfgaohao, caffe, tensorflow,
            ultraface or darknet; left out, it is detected by content.
        output: the run folder to write; left out, the first free one under `runs/`.

    Raises:
        ModelError: the file is damaged, of another kind, or of a network that is not supported.
    """
    path = Path(file)
    folder = RunFolder(default_folder(path.stem, False) if output is None else Path(output))
    folder.check_free()
    library = kind or detect_weight_kind(path)
    if library is None:
        raise ModelError(
            f"{path}: not the weights of a known detector; if they are, name the library "
            f"with --from ({', '.join(WEIGHT_KINDS)})"
        )
    checkpoint = import_weights(path, library)
    # Built once, so that a run that appears is one that works.
    detector_from(checkpoint, source=str(file))
    checkpoint.save(folder.last)
    folder.begin(checkpoint.recipe)
    return Imported(folder.path, library, checkpoint.class_names, checkpoint.recipe.model.input)
