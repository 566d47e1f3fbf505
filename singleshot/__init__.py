"""From a folder of annotated images to a measured detector running on a small device.

detector = singleshot.load("runs/cells")
results = detector.predict("photos/", score_threshold=0.5)
run = singleshot.train("ssdlite320-lite0", data="cells/", run="runs/cells")
report = singleshot.evaluate(detector, data="cells/", split="test")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from singleshot.version import __version__

if TYPE_CHECKING:
    from singleshot.backbones.backbone import Backbone
    from singleshot.backbones.kinds import BackboneKind, build_backbone
    from singleshot.backbones.settings import BackboneSettings
    from singleshot.benchmarking.benchmark import benchmark
    from singleshot.benchmarking.result import BenchmarkResult
    from singleshot.comparison.compare import compare
    from singleshot.comparison.tutorial import compare_with_tutorial
    from singleshot.data.converting import Conversion, convert_dataset
    from singleshot.data.dataset import DataSet
    from singleshot.data.formats.annotations import AnnotatedImage, AnnotatedObject, Annotations
    from singleshot.data.formats.format import Format
    from singleshot.data.image_files.decoding import read_image
    from singleshot.data.opening import open_dataset
    from singleshot.detectors.common.postprocess import PostprocessOptions
    from singleshot.detectors.common.settings import DetectorSettings
    from singleshot.detectors.common.single_size import InputOptions, SingleSizeDetector
    from singleshot.detectors.detector import Losses, Prepared, TrainableDetector
    from singleshot.detectors.family import Family
    from singleshot.detectors.ssd.settings import ClassificationLossKind, LocalizationLossKind
    from singleshot.errors import (
        DataError,
        ModelError,
        NonFiniteLoss,
        PluginError,
        RecipeError,
        RunFailed,
        SingleshotError,
        StorageError,
    )
    from singleshot.evaluation.evaluate import detect_shard, evaluate, score
    from singleshot.evaluation.operating_point import operating_point, run_weights
    from singleshot.exporting.export import ExportResult, export
    from singleshot.inspection.check.check import check_dataset
    from singleshot.inspection.check.result import CheckResult
    from singleshot.inspection.coverage.measure import measure_coverage
    from singleshot.inspection.coverage.result import CoverageResult
    from singleshot.inspection.preview.preview import PreviewResult, preview_data
    from singleshot.inspection.splitting.result import SplitResult
    from singleshot.inspection.splitting.split import split_dataset
    from singleshot.inspection.statistics.describe import describe_dataset
    from singleshot.inspection.statistics.result import DataStatistics
    from singleshot.metrics import Report
    from singleshot.models.download import download_model
    from singleshot.models.listing import RecipeSummary, list_recipes
    from singleshot.models.opening import Imported, import_model, load
    from singleshot.models.predict import predict
    from singleshot.models.summary import show_model
    from singleshot.plugins import register
    from singleshot.prediction.result import Result
    from singleshot.recipes.load import RecipeFile, recipe_text
    from singleshot.runs.callbacks import Callback, EvaluationRecord, StartRecord, StepRecord
    from singleshot.runtimes.exported import ExportedDetector
    from singleshot.serving.serve import serve
    from singleshot.structures import Batch, Detections, Detector, Truth
    from singleshot.training.train import Run, train
    from singleshot.tuning.report import SearchResult
    from singleshot.tuning.tune import tune

__all__ = [
    "AnnotatedImage",
    "AnnotatedObject",
    "Annotations",
    "Backbone",
    "BackboneKind",
    "BackboneSettings",
    "Batch",
    "BenchmarkResult",
    "Callback",
    "CheckResult",
    "ClassificationLossKind",
    "Conversion",
    "CoverageResult",
    "DataError",
    "DataSet",
    "DataStatistics",
    "Detections",
    "Detector",
    "DetectorSettings",
    "EvaluationRecord",
    "ExportResult",
    "ExportedDetector",
    "Family",
    "Format",
    "Imported",
    "InputOptions",
    "LocalizationLossKind",
    "Losses",
    "ModelError",
    "NonFiniteLoss",
    "PluginError",
    "PostprocessOptions",
    "Prepared",
    "PreviewResult",
    "RecipeError",
    "RecipeFile",
    "RecipeSummary",
    "Report",
    "Result",
    "Run",
    "RunFailed",
    "SearchResult",
    "SingleSizeDetector",
    "SingleshotError",
    "SplitResult",
    "StartRecord",
    "StepRecord",
    "StorageError",
    "TrainableDetector",
    "Truth",
    "__version__",
    "benchmark",
    "build_backbone",
    "check_dataset",
    "compare",
    "compare_with_tutorial",
    "convert_dataset",
    "describe_dataset",
    "detect_shard",
    "download_model",
    "evaluate",
    "export",
    "import_model",
    "list_recipes",
    "load",
    "measure_coverage",
    "open_dataset",
    "operating_point",
    "predict",
    "preview_data",
    "read_image",
    "recipe_text",
    "register",
    "run_weights",
    "score",
    "serve",
    "show_model",
    "split_dataset",
    "train",
    "tune",
]

# Where each public name is defined; tests compare it with the imports above.
_MODULES = {
    "backbones.backbone": ["Backbone"],
    "backbones.kinds": ["build_backbone", "BackboneKind"],
    "backbones.settings": ["BackboneSettings"],
    "benchmarking.benchmark": ["benchmark"],
    "benchmarking.result": ["BenchmarkResult"],
    "comparison.compare": ["compare"],
    "comparison.tutorial": ["compare_with_tutorial"],
    "data.converting": ["Conversion", "convert_dataset"],
    "data.dataset": ["DataSet"],
    "data.formats.annotations": ["AnnotatedImage", "AnnotatedObject", "Annotations"],
    "data.formats.format": ["Format"],
    "data.image_files.decoding": ["read_image"],
    "data.opening": ["open_dataset"],
    "detectors.common.postprocess": ["PostprocessOptions"],
    "detectors.common.settings": ["DetectorSettings"],
    "detectors.common.single_size": ["InputOptions", "SingleSizeDetector"],
    "detectors.detector": ["Prepared", "Losses", "TrainableDetector"],
    "detectors.family": ["Family"],
    "detectors.ssd.settings": ["ClassificationLossKind", "LocalizationLossKind"],
    "errors": [
        "DataError",
        "ModelError",
        "NonFiniteLoss",
        "PluginError",
        "RecipeError",
        "RunFailed",
        "SingleshotError",
        "StorageError",
    ],
    "evaluation.evaluate": ["detect_shard", "evaluate", "score"],
    "evaluation.operating_point": ["operating_point", "run_weights"],
    "exporting.export": ["ExportResult", "export"],
    "inspection.check.check": ["check_dataset"],
    "inspection.check.result": ["CheckResult"],
    "inspection.coverage.measure": ["measure_coverage"],
    "inspection.coverage.result": ["CoverageResult"],
    "inspection.preview.preview": ["PreviewResult", "preview_data"],
    "inspection.splitting.result": ["SplitResult"],
    "inspection.splitting.split": ["split_dataset"],
    "inspection.statistics.describe": ["describe_dataset"],
    "inspection.statistics.result": ["DataStatistics"],
    "metrics": ["Report"],
    "models.download": ["download_model"],
    "models.listing": ["RecipeSummary", "list_recipes"],
    "models.opening": ["Imported", "import_model", "load"],
    "models.predict": ["predict"],
    "models.summary": ["show_model"],
    "plugins": ["register"],
    "prediction.result": ["Result"],
    "recipes.load": ["RecipeFile", "recipe_text"],
    "runs.callbacks": ["Callback", "EvaluationRecord", "StartRecord", "StepRecord"],
    "runtimes.exported": ["ExportedDetector"],
    "serving.serve": ["serve"],
    "structures": ["Batch", "Detections", "Detector", "Truth"],
    "training.train": ["Run", "train"],
    "tuning.report": ["SearchResult"],
    "tuning.tune": ["tune"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import PyTorch when something is first used: `singleshot --help` answers at once."""
    if name in _HOME:
        return getattr(import_module(f"singleshot.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
