"""What a program calls: train, load, evaluate. The command line calls the same."""

from singleshot.api.measuring import detect_shard, evaluate, score
from singleshot.api.models import (
    Imported,
    RecipeSummary,
    import_model,
    load,
    recipes,
    show_model,
)
from singleshot.api.operating import operating_point, run_weights
from singleshot.api.search_result import Search
from singleshot.api.training import Run, train
from singleshot.api.tuning import tune

__all__ = [
    "Imported",
    "RecipeSummary",
    "Run",
    "Search",
    "detect_shard",
    "evaluate",
    "import_model",
    "load",
    "operating_point",
    "recipes",
    "run_weights",
    "score",
    "show_model",
    "train",
    "tune",
]
