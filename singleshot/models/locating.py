"""Finding the file of a model, without importing PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.checkpoints.header import read_about
from singleshot.errors import ModelError
from singleshot.files import describe_damage
from singleshot.models.pretrained import find_model
from singleshot.runs.folder import RunFolder
from singleshot.runtimes.artifact import Artifact, find_artifact
from singleshot.runtimes.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from singleshot.structures import Detector

    ModelPath = str | Path
    Model = Detector | ModelPath
else:
    ModelPath = Model = Any  # what is neither is refused with the remedy, when it is opened

__all__ = [
    "Model",
    "ModelPath",
    "checkpoint_file",
    "class_names_of",
    "exported_model",
    "model_files",
    "refuse_exported",
    "require_checkpoint",
    "require_model",
    "require_weights",
]


def checkpoint_file(model: str | Path) -> Path:
    """Find the checkpoint of a run folder, given by its path or as the name of a downloaded model.

    A checkpoint is returned as it is. Raises ModelError for an exported model.
    """
    path = find_model(model)
    refuse_exported(path, model)
    return RunFolder(path).checkpoint() if path.is_dir() else path


def exported_model(model: str | Path) -> Artifact | None:
    """Find an exported model by its folder or file; None for a run, a checkpoint or a name.

    Raises ModelError where it is incomplete.
    """
    path = find_model(model)
    # A run that holds a file of the same name stays a run.
    return None if RunFolder(path).recipe.exists() else find_artifact(path)


def class_names_of(model: str | Path) -> tuple[str, ...]:
    """Read the class names of a model, but not its weights.

    Raises ModelError where there is no such model.
    """
    artifact = exported_model(model)
    if artifact is not None:
        return artifact.manifest.class_names
    return tuple(read_about(checkpoint_file(model))["class_names"])


def model_files(model: str | Path) -> tuple[Path, ...]:
    """List the files of a model: its checkpoint, or those of an exported one.

    The first is what opens it. Raises ModelError where there is no such model.
    """
    artifact = exported_model(model)
    return (checkpoint_file(model),) if artifact is None else artifact.files


def refuse_exported(path: Path, model: str | Path) -> None:
    """Raise ModelError where an exported model is given for a checkpoint."""
    folder = path if path.is_dir() else path.parent
    artifact = exported_model(path) if (folder / MANIFEST_NAME).is_file() else None
    if artifact is not None:
        checkpoint = artifact.manifest.detector.checkpoint
        raise ModelError(
            f"{model}: is an exported model ({artifact.manifest.format}), which has no weights to "
            f"train or to export; give the run that it was exported from"
            + (f": {checkpoint}" if checkpoint else "")
        )


def require_model(model: str | Path) -> None:
    """Raise ModelError unless this is a run with a checkpoint, a checkpoint or an export."""
    if exported_model(model) is None:
        require_checkpoint(model)


def require_checkpoint(model: str | Path) -> None:
    """Raise ModelError unless this is a run with a checkpoint, or a checkpoint."""
    read_about(checkpoint_file(model))


def require_weights(model: str | Path) -> None:
    """Raise ModelError where there is no such model or file, or one that is cut short."""
    if damage := describe_damage(find_model(model)):
        raise ModelError(f"{model}: {damage}")
