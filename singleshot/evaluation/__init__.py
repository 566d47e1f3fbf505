"""A detector run over a data set and judged."""

from singleshot.evaluation.detection import detect_all
from singleshot.evaluation.judge import diagnose_judged, judge, truths_of
from singleshot.evaluation.predictions import load_predictions, save_predictions

__all__ = [
    "detect_all",
    "diagnose_judged",
    "judge",
    "load_predictions",
    "save_predictions",
    "truths_of",
]
