"""A detector run over a data set and judged."""

from singleshot.evaluation.evaluate import detect_all, evaluate
from singleshot.evaluation.judge import class_curves, judge, pictures_to_show
from singleshot.evaluation.predictions import load_predictions, save_predictions

__all__ = [
    "class_curves",
    "detect_all",
    "evaluate",
    "judge",
    "load_predictions",
    "pictures_to_show",
    "save_predictions",
]
