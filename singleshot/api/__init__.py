"""What a program calls: train, load, evaluate. The command line calls the same."""

from singleshot.api.comparing import compare
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
from singleshot.api.tutorial import compare_with_tutorial

__all__ = [
    "Imported",
    "RecipeSummary",
    "Run",
    "Search",
    "compare",
    "compare_with_tutorial",
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
