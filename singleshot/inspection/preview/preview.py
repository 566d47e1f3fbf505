"""Draw what training sees: augmented samples, matched priors and hard negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from singleshot.data.batching import Draw, Order
from singleshot.data.dataset import DataSet
from singleshot.data.findings import count_of
from singleshot.data.splits import training_split
from singleshot.detectors.detector import TrainableDetector
from singleshot.drawing import draw_boxes, save_image
from singleshot.errors import ModelError, SingleshotError
from singleshot.families import build_detector
from singleshot.inspection.preview.figures import draw_matches, draw_negatives
from singleshot.inspection.preview.options import PreviewOptions
from singleshot.inspection.preview.page import PreviewPage, write_preview_page
from singleshot.inspection.preview.scene import SampleScene, make_scenes
from singleshot.models.opening import load_trainable
from singleshot.options import as_paths, takes
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe
from singleshot.structures import Batch, Sample
from singleshot.training.build import build_images
from singleshot.version import __version__

__all__ = ["PreviewResult", "PreviewedSample", "preview_data"]


@dataclass(frozen=True)
class PreviewedSample:
    """A sample that was drawn, and its files."""

    name: str  # path of the image, or of all that it was made of
    objects: int
    matches: dict[str, int]  # number of matched priors by level, "10 x 10"; empty without priors
    negatives: int | None  # mined by the model; None without one
    files: tuple[Path, ...]


@dataclass(frozen=True)
class PreviewResult:
    """Samples of a training, drawn to files."""

    samples: tuple[PreviewedSample, ...]
    page: Path | None

    def to_json(self) -> list[dict[str, Any]]:
        """Convert to plain lists and dictionaries."""
        return [
            {
                "image": one.name,
                "objects": one.objects,
                "matches": one.matches,
                "negatives": one.negatives,
                "files": list(map(str, one.files)),
            }
            for one in self.samples
        ]


@takes(PreviewOptions)
def preview_data(recipe: str | Path, options: PreviewOptions) -> PreviewResult:
    """Draw the first samples of a training, as its augmentation and its matching make them.

    Args:
        recipe: a shipped recipe's name, or a TOML file.

    Raises:
        RecipeError: the recipe cannot be used.
        DataError: the images cannot be used.
        ModelError: the model cannot be used, or has another input size than the recipe.
    """
    loaded = load_recipe(recipe, options.overrides)
    if options.seed is not None:
        training = loaded.training.model_copy(update={"seed": options.seed})
        loaded = loaded.model_copy(update={"training": training})
    train = _open(options, loaded)
    model = _detector(options, loaded, train)
    samples = _first_samples(loaded, train, model, options.number)
    scenes = _scenes(model, samples, options)
    folder = Path(options.output)
    files = [
        _draw(scene, train.class_names, folder, number)
        for number, scene in enumerate(scenes, start=1)
    ]
    if options.page is not None:
        command = options.to_command("data preview", recipe)
        page = PreviewPage(
            str(recipe),
            train.description,
            train.class_names,
            scenes,
            model=None if options.with_model is None else str(options.with_model),
            command=command,
            version=__version__,
        )
        write_preview_page(page, options.page)
    return PreviewResult(tuple(map(_summary, scenes, files)), options.page)


def _open(options: PreviewOptions, recipe: Recipe) -> DataSet:
    """Open the images that training takes."""
    paths, seed = as_paths(options.data), recipe.training.seed
    chosen = training_split(paths, options.split, None, seed, options.reading)
    options.notify(
        f"samples of {count_of(len(chosen.train), 'images')} ({chosen.train.description})"
    )
    for note in chosen.train.notes:
        options.notify(note)
    return chosen.train


def _detector(options: PreviewOptions, recipe: Recipe, train: DataSet) -> TrainableDetector:
    """Load the given model, or build the recipe's; ModelError for another input size."""
    if options.with_model is None:
        with torch.random.fork_rng(devices=[]):
            return build_detector(recipe.model, train.class_names, pretrained=False)
    model = load_trainable(options.with_model, "cpu")
    if model.settings.input != recipe.model.input:
        ours, theirs = list(recipe.model.input), list(model.settings.input)
        raise ModelError(
            f"{options.with_model}: has the input {theirs}, the recipe {ours}; give the run's own "
            f"recipe.toml"
        )
    if model.settings != recipe.model:
        options.notify(f"priors and matching are those of {options.with_model}, not the recipe's")
    return model


def _first_samples(
    recipe: Recipe, train: DataSet, model: TrainableDetector, number: int
) -> list[Sample]:
    """Draw the samples that a training of this seed begins with."""
    # A detector's labels are in the order of its own class names.
    own = train.with_classes(model.class_names)
    images = build_images(recipe, own, model, own)
    order = Order(
        len(train),
        number,
        num_steps=1,
        seed=recipe.training.seed,
        window=images.window,
        repeats=images.repeats,
    )
    draws: list[Draw] = next(iter(order))
    samples = images.__getitems__(draws)
    if isinstance(samples, SingleshotError):
        raise samples
    return samples


def _scenes(
    model: TrainableDetector, samples: Sequence[Sample], options: PreviewOptions
) -> list[SampleScene]:
    """Match the objects of the samples, and mine negatives if there is a model."""
    batch = Batch.of(samples)
    layout = model.prior_layout()
    if layout is None:
        options.notify(
            f"a detector of the kind {model.settings.kind!r} has no priors that objects are "
            f"matched to: only the augmented samples are drawn"
        )
        return make_scenes(samples, None, None, None)
    trained = options.with_model is not None
    if not trained and model.prepare(batch.truths) is None:
        options.notify(
            "the recipe's rule matches by the network's outputs, which are random here: give a "
            "trained one --with MODEL"
        )
    negatives = model.mine_negatives(batch) if trained else None
    if trained and negatives is None:
        options.notify("the model's loss is of all priors: no negatives are mined")
    return make_scenes(samples, layout, model.match_objects(batch), negatives)


def _draw(
    scene: SampleScene, class_names: Sequence[str], folder: Path, number: int
) -> tuple[Path, ...]:
    """Write the images of one sample."""
    stem, sample = f"sample-{number:02}", scene.sample
    files = [(folder / f"{stem}.png", draw_boxes(sample.image, sample.truth, class_names))]
    if scene.levels:
        files.append((folder / f"{stem}-matches.png", draw_matches(scene, class_names)))
    if scene.negatives is not None:
        files.append((folder / f"{stem}-negatives.png", draw_negatives(scene, class_names)))
    for path, image in files:
        save_image(image, path)
    return tuple(path for path, _ in files)


def _summary(scene: SampleScene, files: tuple[Path, ...]) -> PreviewedSample:
    """Count the objects, matches and negatives of a sample."""
    matches = {"{} x {}".format(*level.grid): len(level.matched) for level in scene.levels}
    negatives = None if scene.negatives is None else len(scene.negatives)
    return PreviewedSample(scene.sample.name, len(scene.sample.truth), matches, negatives, files)
