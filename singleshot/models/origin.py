"""The origin of a model: the run whose training it is of, and the images of that run."""

from __future__ import annotations

from pathlib import Path

from singleshot.models.locating import exported_model
from singleshot.runs.callbacks import OnMessage
from singleshot.runs.splits import RunSplits, splits_of_model

__all__ = ["training_splits"]


def training_splits(model: str | Path, on_message: OnMessage | None = None) -> RunSplits | None:
    """Load the images of the run that a model belongs to, or that it was exported from.

    None where they are unknown; of an exported model whose run is not there any more, `on_message`
    is called with a warning.
    """
    artifact = exported_model(model)
    if artifact is None:
        return splits_of_model(model)
    checkpoint = artifact.manifest.detector.checkpoint
    if not checkpoint:
        return None
    if Path(checkpoint).exists():
        return splits_of_model(checkpoint)
    if on_message is not None:
        on_message(
            f"{model}: {checkpoint}, which it was exported from, is not here: images that it was "
            f"trained on are not noticed"
        )
    return None
