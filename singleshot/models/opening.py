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
    """Other people's weights as a run of ours."""

    folder: Path
    kind: str  # whose they were
    class_names: tuple[str, ...]
    input: tuple[int, int]  # height, width


def best_device() -> torch.device:
    """The accelerator if there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load(model: str | Path, device: str | None = None) -> TrainableDetector:
    """A detector from a run folder or a checkpoint, on the accelerator if there is one."""
    path = checkpoint_file(Path(model))
    return detector_from(Checkpoint.load(path), source=str(path)).to(device or best_device())


def checkpoint_file(model: Path) -> Path:
    if not model.exists():
        raise ModelError(f"{model}: there is no such run folder or checkpoint")
    return RunFolder(model).checkpoint() if model.is_dir() else model


def is_run(path: Path) -> bool:
    return path.is_dir() and RunFolder(path).recipe.exists()


def start_from(init: str | Path) -> TrainedDetector | None:
    """A detector of ours or of other people; None for a file that holds none."""
    path = Path(init)
    if is_run(path) or Checkpoint.is_one(path):
        return TrainedDetector(Checkpoint.load(checkpoint_file(path)), str(init))
    kind = detect_weight_kind(path)
    return None if kind is None else TrainedDetector(import_weights(path, kind), str(init))


def teacher_from(teacher: str | Path) -> TrainedDetector:
    """A detector of ours or of other people; raises ModelError for a file that holds none."""
    if not Path(teacher).exists():
        raise ModelError(f"{teacher}: there is no such run folder or checkpoint")
    found = start_from(teacher)
    if found is None:
        raise ModelError(
            f"{teacher}: not a detector known here; a teacher is a run folder, a checkpoint or a "
            f"file that models import reads"
        )
    return found


def import_model(
    file: str | Path, *, kind: str | None = None, output: str | Path | None = None
) -> Imported:
    """Turn other people's weights into a run folder that evaluates, predicts and fine-tunes.

    Args:
        file: the weights; of Caffe, TensorFlow.js and Darknet, any of the files that belong
            together.
        kind: whose they are: torchvision, amdegroot, lufficc, qfgaohao, caffe, tensorflow,
            ultraface or darknet; left out, it is told by their content.
        output: the run folder to write; left out, the first free one under `runs/`.

    Raises:
        ModelError: the file is damaged, of another kind, or says what our SSD cannot.
    """
    path = Path(file)
    folder = RunFolder(default_folder(path.stem, False) if output is None else Path(output))
    folder.check_free()
    found = kind or detect_weight_kind(path)
    if found is None:
        raise ModelError(
            f"{path}: not the weights of a detector known here; if they are after all, say whose "
            f"with --from ({', '.join(WEIGHT_KINDS)})"
        )
    checkpoint = import_weights(path, found)
    # Built once, so that a run that appears is one that works.
    detector_from(checkpoint, source=str(file))
    checkpoint.save(folder.last)
    folder.begin(checkpoint.recipe)
    return Imported(folder.path, found, checkpoint.class_names, checkpoint.recipe.model.input)
