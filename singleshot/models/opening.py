"""Detectors and recipes: what there is, what it builds, and other people's weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.checkpoints.transfer import Start
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.importers.recognise import KINDS, read_weights, recognised
from singleshot.models.summary import ModelSummary, summarise
from singleshot.recipes.load import load_recipe, recipe_files
from singleshot.runs.folder import RunFolder
from singleshot.runs.places import default_folder

__all__ = [
    "Imported",
    "RecipeSummary",
    "best_device",
    "import_model",
    "list_recipes",
    "load",
    "show_model",
    "start_from",
    "teacher_from",
]


@dataclass(frozen=True)
class Imported:
    """Other people's weights as a run of ours."""

    folder: Path
    kind: str  # whose they were
    class_names: tuple[str, ...]
    input: tuple[int, int]  # height, width


@dataclass(frozen=True)
class RecipeSummary:
    """A shipped recipe."""

    name: str
    about: str  # its first line
    preset: str
    input: tuple[int, int]  # height, width
    num_boxes: int
    parameters: int  # with VOC's 20 classes
    path: Path


def best_device() -> torch.device:
    """The accelerator if there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load(model: str | Path, device: str | None = None) -> TrainableDetector:
    """A detector from a run folder or a checkpoint, on the accelerator if there is one."""
    path = checkpoint_file(Path(model))
    return detector_from(Checkpoint.load(path), place=str(path)).to(device or best_device())


def checkpoint_file(model: Path) -> Path:
    if not model.exists():
        raise ModelError(f"{model}: there is no such run folder or checkpoint")
    return RunFolder(model).checkpoint() if model.is_dir() else model


def is_run(path: Path) -> bool:
    return path.is_dir() and RunFolder(path).recipe.exists()


def start_from(init: str | Path) -> Start | None:
    """A detector of ours or of other people; None for a file that holds none."""
    path = Path(init)
    if is_run(path) or Checkpoint.is_one(path):
        return Start(Checkpoint.load(checkpoint_file(path)), str(init))
    kind = recognised(path)
    return None if kind is None else Start(read_weights(path, kind), str(init))


def teacher_from(teacher: str | Path) -> Start:
    """A detector of ours or of other people; raises ModelError for a file that holds none."""
    if not Path(teacher).exists():
        raise ModelError(f"{teacher}: there is no such run folder or checkpoint")
    found = start_from(teacher)
    if found is None:
        raise ModelError(
            f"{teacher}: not a detector known here; a teacher is a run folder, a checkpoint or a "
            f"file that models import reads"
        )
    return found


def import_model(
    file: str | Path, *, kind: str | None = None, output: str | Path | None = None
) -> Imported:
    """Turn other people's weights into a run folder that evaluates, predicts and fine-tunes.

    Args:
        file: the weights; of Caffe, TensorFlow.js and Darknet, any of the files that belong
            together.
        kind: whose they are: torchvision, amdegroot, lufficc, qfgaohao, caffe, tensorflow,
            ultraface or darknet; left out, it is told by their content.
        output: the run folder to write; left out, the first free one under `runs/`.

    Raises:
        ModelError: the file is damaged, of another kind, or says what our SSD cannot.
    """
    path = Path(file)
    folder = RunFolder(default_folder(path.stem, False) if output is None else Path(output))
    folder.check_free()
    found = kind or recognised(path)
    if found is None:
        raise ModelError(
            f"{path}: not the weights of a detector known here; if they are after all, say whose "
            f"with --from ({', '.join(KINDS)})"
        )
    checkpoint = read_weights(path, found)
    # Built once, so that a run that appears is one that works.
    detector_from(checkpoint, place=str(file))
    checkpoint.save(folder.last)
    folder.begin(checkpoint.recipe)
    return Imported(folder.path, found, checkpoint.class_names, checkpoint.recipe.model.input)


def show_model(
    recipe: str | Path, num_classes: int, overrides: Mapping[str, object] | Sequence[str] = ()
) -> ModelSummary:
    """Build a recipe's network for so many classes (without background) and count what it has."""
    settings = load_recipe(recipe, overrides).model
    detector = build_detector(settings, numbered_classes(num_classes), pretrained=False)
    return summarise(detector, recipe=str(recipe))


def list_recipes() -> list[RecipeSummary]:
    """The recipes that are shipped."""
    sizes: dict[str, tuple[int, int]] = {}  # several recipes train one detector
    return [recipe_summary(name, path, sizes) for name, path in recipe_files().items()]


def recipe_summary(name: str, path: Path, sizes: dict[str, tuple[int, int]]) -> RecipeSummary:
    recipe = load_recipe(name)
    key = recipe.model.model_dump_json()
    sizes[key] = sizes.get(key) or size_of(recipe.model)
    num_boxes, parameters = sizes[key]
    return RecipeSummary(
        name=name,
        about=first_line(path),
        preset=recipe.preset,
        input=recipe.model.input,
        num_boxes=num_boxes,
        parameters=parameters,
        path=path,
    )


def size_of(settings: DetectorSettings) -> tuple[int, int]:
    """Boxes and parameters of a detector."""
    # Shapes alone: no weights are made.
    with torch.device("meta"):
        detector = build_detector(settings, numbered_classes(20), pretrained=False)
    parameters = sum(parameter.numel() for parameter in detector.parameters())
    return detector.num_boxes, parameters


def numbered_classes(number: int) -> list[str]:
    return [f"class {index + 1}" for index in range(number)]


def first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
