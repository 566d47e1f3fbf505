"""Score thresholds that were chosen for a run."""

from collections.abc import Callable
from pathlib import Path

from singleshot.metrics import OperatingPoint
from singleshot.models.locating import checkpoint_file, exported_model
from singleshot.runs.weights import RunWeights
from singleshot.runtimes.thresholds import operating_point_of

__all__ = ["operating_point", "run_weights"]


def operating_point(
    model: str | Path, *, on_message: Callable[[str], None] | None = None
) -> OperatingPoint | None:
    """Load the score thresholds that `evaluate --threshold-rule` chose; None without any.

    Args:
        model: a run folder or one of its checkpoints, or an exported model, which has those that
            were chosen before; a checkpoint elsewhere has none.
        on_message: called with the score from which detections are kept, or with a warning that
            the thresholds were chosen for other weights and no longer hold.

    Raises:
        ModelError: the run's `operating_point.json` is damaged or of other classes.
    """
    if (artifact := exported_model(model)) is not None:
        manifest = artifact.manifest
        return operating_point_of(manifest.operating_point, manifest.class_names, on_message)
    weights = run_weights(model)
    return None if weights is None else weights.score_thresholds(str(model), on_message)


def run_weights(model: str | Path) -> RunWeights | None:
    """Identify the weights of a run as they are now; None for any other model.

    Call it before they are loaded: thresholds then hold for these weights, even if a training
    replaces them in the meantime.
    """
    return None if exported_model(model) else RunWeights.of(checkpoint_file(model))
