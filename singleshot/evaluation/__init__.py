"""A detector run over a data set and judged."""

from singleshot.evaluation.evaluate import detect_all, evaluate
from singleshot.evaluation.judge import judge, truths_of
from singleshot.evaluation.predictions import load_predictions, save_predictions

__all__ = [
    "detect_all",
    "evaluate",
    "judge",
    "load_predictions",
    "save_predictions",
    "truths_of",
]
