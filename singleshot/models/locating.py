"""Finding the file of a model, without importing PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.checkpoints.header import read_about
from singleshot.errors import ModelError
from singleshot.files import describe_damage
from singleshot.models.pretrained import find_model
from singleshot.runs.folder import RunFolder

if TYPE_CHECKING:
    from singleshot.structures import Detector

    ModelPath = str | Path
    Model = Detector | ModelPath
else:
    ModelPath = Model = Any  # what is neither is refused with the remedy, when it is opened

__all__ = ["Model", "ModelPath", "checkpoint_file", "require_model", "require_weights"]


def checkpoint_file(model: str | Path) -> Path:
    """Find the checkpoint of a run folder, given by its path or as the name of a downloaded model.

    A checkpoint is returned as it is.
    """
    path = find_model(model)
    return RunFolder(path).checkpoint() if path.is_dir() else path


def require_model(model: str | Path) -> None:
    """Raise ModelError unless this is a run with a checkpoint, or a checkpoint."""
    read_about(checkpoint_file(model))


def require_weights(model: str | Path) -> None:
    """Raise ModelError where there is no such model or file, or one that is cut short."""
    if damage := describe_damage(find_model(model)):
        raise ModelError(f"{model}: {damage}")
