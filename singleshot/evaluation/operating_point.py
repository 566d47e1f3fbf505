"""Score thresholds that were chosen for a run."""

from collections.abc import Callable
from pathlib import Path

from singleshot.metrics import DEFAULT_SCORE_THRESHOLD, OperatingPoint
from singleshot.models.opening import checkpoint_file
from singleshot.runs.weights import RunWeights

__all__ = ["operating_point", "run_weights"]


def operating_point(
    model: str | Path, *, on_message: Callable[[str], None] | None = None
) -> OperatingPoint | None:
    """Load the score thresholds that `evaluate --threshold-rule` chose; None without any.

    Args:
        model: a run folder or one of its checkpoints; a checkpoint elsewhere has none.
        on_message: called with the score from which detections are kept, or with a warning that
            the thresholds were chosen for other weights and no longer hold.

    Raises:
        ModelError: the run's `operating_point.json` is damaged or of other classes.
    """
    weights = run_weights(model)
    kept = None if weights is None else weights.load_operating_point()
    if kept is None:
        return None
    if kept.stale:
        messages = [
            f"{model}: its score thresholds were chosen for other weights; keeping all from "
            f"{DEFAULT_SCORE_THRESHOLD}. Choose again: "
            f"evaluate … --threshold-rule {kept.point.rule}"
        ]
    else:
        messages = list(kept.point.sentences())
    for message in messages:
        if on_message is not None:
            on_message(message)
    return None if kept.stale else kept.point


def run_weights(model: str | Path) -> RunWeights | None:
    """Identify the weights of a run as they are now; None for a checkpoint outside a run.

    Call it before they are loaded: thresholds then hold for these weights, even if a training
    replaces them in the meantime.
    """
    return RunWeights.of(checkpoint_file(Path(model)))
