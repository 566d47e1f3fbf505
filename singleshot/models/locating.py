"""Finding the file of a model, without importing PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.checkpoints.header import read_about
from singleshot.errors import ModelError
from singleshot.files import describe_damage
from singleshot.models.pretrained import find_model
from singleshot.runs.folder import RunFolder
from singleshot.runtimes.artifact import Artifact, find_artifact

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
    "exported_model",
    "refuse_exported",
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


def refuse_exported(path: Path, model: str | Path) -> None:
    """Raise ModelError where an exported model is given for a checkpoint."""
    artifact = None if RunFolder(path).recipe.exists() else find_artifact(path)
    if artifact is not None:
        raise ModelError(
            f"{model}: is an exported model ({artifact.manifest.format}), which has no weights to "
            f"train or to export; give the run that it was exported from"
            + (
                f": {artifact.manifest.detector.checkpoint}"
                if artifact.manifest.detector.checkpoint
                else ""
            )
        )


def require_model(model: str | Path) -> None:
    """Raise ModelError unless this is a run with a checkpoint, a checkpoint or an export."""
    if exported_model(model) is None:
        read_about(checkpoint_file(model))


def require_weights(model: str | Path) -> None:
    """Raise ModelError where there is no such model or file, or one that is cut short."""
    if damage := describe_damage(find_model(model)):
        raise ModelError(f"{model}: {damage}")
