"""Load detectors from runs, checkpoints and exported models; import weights of other libraries."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.detectors.common.devices import require_device
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError, SingleshotError
from singleshot.importers.recognise import WEIGHT_KINDS, detect_weight_kind, import_weights
from singleshot.models.devices import choose_device
from singleshot.models.locating import (
    Model,
    ModelPath,
    checkpoint_file,
    exported_model,
    refuse_exported,
)
from singleshot.models.pretrained import find_model
from singleshot.options import Device, check_device
from singleshot.runs.folder import RunFolder, default_folder
from singleshot.runs.weights import RunWeights
from singleshot.runtimes.exported import ExportedDetector, open_exported
from singleshot.structures import Detector

__all__ = [
    "Imported",
    "as_detector",
    "import_model",
    "load",
    "load_trainable",
    "require_path",
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


def load(
    model: ModelPath, device: Device = "auto", *, threads: int = 0
) -> TrainableDetector | ExportedDetector:
    """Load a detector from a run folder, a checkpoint, an exported model or a downloaded one.

    Args:
        model: the folder or file, or the name of a downloaded detector.
        device: cpu, cuda, cuda:1, mps or, by default, auto: the accelerator if there is one.
            Exported models run on the CPU.
        threads: of the runtime of an exported model; 0: as many as it takes by itself.

    Raises:
        ModelError: there is none at this path or of this name, or it cannot be read; or the
            runtime of an exported model is missing.
        SingleshotError: there is no such device.
    """
    require_path(model)
    check_device(device)
    artifact = exported_model(model)
    if artifact is None:
        return load_trainable(model, device)
    if str(device) not in ("auto", "cpu"):
        raise SingleshotError(
            f"device: {device}: {model} is an exported model, which runs on the CPU; leave it out"
        )
    return open_exported(artifact, threads)


def load_trainable(model: ModelPath, device: Device = "auto") -> TrainableDetector:
    """Load a detector from a run folder, a checkpoint or the name of a downloaded detector.

    Raises as `load` does, and ModelError for an exported model: it has no weights to train.
    """
    require_path(model)
    chosen = choose_device(device)
    path = checkpoint_file(model)
    # Hashed before they are loaded: score thresholds hold for these weights, not for later ones.
    weights = RunWeights.of(path)
    detector = detector_from(Checkpoint.load(path), source=str(path)).to(chosen)
    detector.source = path
    if weights is not None:
        detector.score_thresholds = partial(weights.score_thresholds, str(model))
    return detector


def require_path(model: object) -> None:
    """Raise ModelError for what is neither a path nor a name, with the remedy."""
    if isinstance(model, str | Path):
        return
    remedy = "its .folder" if hasattr(model, "folder") else "a path"
    raise ModelError(
        f"a model of type {type(model).__name__}; expected a run folder or a checkpoint: "
        f"give {remedy}"
    )


def as_detector(model: Model, device: Device = "auto") -> Detector:
    """Load a run or checkpoint; a detector stays as it is, on the device that it is on.

    Raises as `load` does, and SingleshotError when a detector is to be used on another device.
    """
    if isinstance(model, str | Path) or not isinstance(model, Detector):
        return load(model, device)
    require_device(
        model.pixel_mean.device if isinstance(model, TrainableDetector) else None, device
    )
    return model


def _is_run(path: Path) -> bool:
    return path.is_dir() and RunFolder(path).recipe.exists()


def start_from(init: str | Path) -> TrainedDetector | None:
    """Read a run, a checkpoint or weights of another library; None for any other file."""
    path = find_model(init)
    refuse_exported(path, init)
    if _is_run(path) or Checkpoint.is_one(path):
        return TrainedDetector(Checkpoint.load(checkpoint_file(path)), str(init))
    kind = detect_weight_kind(path)
    return None if kind is None else TrainedDetector(import_weights(path, kind), str(init))


def teacher_from(teacher: str | Path) -> TrainedDetector:
    """Read a run, a checkpoint or weights of another library; raises ModelError for others."""
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
            f"with --from ({', '.join(WEIGHT_KINDS)}); weights of a classifier are a start for "
            f"training: singleshot train RECIPE --init FILE"
        )
    checkpoint = import_weights(path, library)
    # Built once, so that a run that appears is one that works.
    detector_from(checkpoint, source=str(file))
    checkpoint.save(folder.last)
    folder.begin(checkpoint.recipe)
    return Imported(folder.path, library, checkpoint.class_names, checkpoint.recipe.model.input)
