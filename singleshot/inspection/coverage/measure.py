"""Measure how well priors cover the objects of a data set, and fit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from singleshot.boxes.geometry import area
from singleshot.data.batching import Draw
from singleshot.data.dataset import DataSet
from singleshot.data.findings import count_of
from singleshot.data.input_objects import image_sizes, objects_in_input
from singleshot.data.reading import ReadingOptions
from singleshot.data.splits import evaluation_split, training_split
from singleshot.detectors.common.prior_overlap import best_priors
from singleshot.detectors.common.priors import PriorLayout
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import DataError, RecipeError, SingleshotError
from singleshot.families import build_detector
from singleshot.inspection.coverage.fit import fit_shapes
from singleshot.inspection.coverage.fitted_recipe import FittedRecipe
from singleshot.inspection.coverage.input_shape import propose_input
from singleshot.inspection.coverage.options import CoverageOptions
from singleshot.inspection.coverage.page import CoveragePage, write_coverage_page
from singleshot.inspection.coverage.remarks import make_remarks
from singleshot.inspection.coverage.result import (
    CoverageResult,
    Gain,
    Measured,
    Overlap,
    PriorFit,
    measure_overlap,
)
from singleshot.options import as_paths, takes
from singleshot.recipes.load import load_recipe, pairs
from singleshot.recipes.schema import Recipe
from singleshot.training.build import build_images
from singleshot.version import __version__

__all__ = ["build_untrained", "measure_coverage"]

NUM_AUGMENTED = 400  # images drawn by the recipe's augmentation, to fit to


@takes(CoverageOptions)
def measure_coverage(recipe: str | Path, options: CoverageOptions) -> CoverageResult:
    """Measure the best IoU of any prior with each object, and fit the priors if `fit` is given.

    Args:
        recipe: a shipped recipe's name, or a TOML file.

    Raises:
        RecipeError: the recipe cannot be used, its detector has no priors, or they follow a rule.
        DataError: the images cannot be used, or have no objects.
    """
    overrides = dict(pairs(options.overrides))
    loaded = load_recipe(recipe, overrides)
    if options.fit is not None:
        _require_free_shapes(loaded, str(recipe))
    data = _Data.open(options, loaded)
    model = build_untrained(loaded, data.train.class_names)
    layout = _layout_of(model, str(recipe))
    objects = objects_in_input(data.train, data.sizes, layout.size)
    if not len(objects):
        raise DataError(
            f"{data.train.description}: has no objects that training would match; choose another "
            f"split, or look at the annotations"
        )
    measured = Measured.of(objects, layout, data.train.description)
    remarks = make_remarks(measured, data.sizes, fits=options.fit is not None)
    result, fitted = CoverageResult(str(recipe), measured.coverage, remarks), None
    if options.fit is not None:
        writer = FittedRecipe(str(recipe), overrides, Path(options.fit), options)
        task = _FitTask(loaded, data, model, measured)
        fit, fitted = task.run(writer, with_input=options.fit_input)
        result = replace(result, fit=fit)
    if options.page is not None:
        command = options.to_command("data coverage", recipe)
        page = CoveragePage(result, measured, fitted, command=command, version=__version__)
        write_coverage_page(page, data.train, data.sizes, options.page)
    return result


def build_untrained(recipe: Recipe, class_names: Sequence[str]) -> TrainableDetector:
    """Build the network of a recipe with random weights; no random number of others is used."""
    with torch.random.fork_rng(devices=[]):
        return build_detector(recipe.model, class_names, pretrained=False)


def _require_free_shapes(recipe: Recipe, source: str) -> None:
    """Raise RecipeError for a family whose priors cannot have any shape."""
    if recipe.model.with_prior_shapes([]) is None:
        raise RecipeError(
            f"{source}: the priors of a detector of the kind {recipe.model.kind!r} follow a rule, "
            f"or it has none: they cannot be fitted; leave out --fit"
        )


def _layout_of(model: TrainableDetector, source: str) -> PriorLayout:
    """Return the priors; RecipeError for a detector without any."""
    layout = model.prior_layout()
    if layout is None:
        raise RecipeError(
            f"{source}: a detector of the kind {model.settings.kind!r} has no priors that objects "
            f"are matched to by IoU; choose a recipe of an SSD (see: models list)"
        )
    return layout


@dataclass(frozen=True)
class _Data:
    """The images to fit to, and held-out ones."""

    train: DataSet
    sizes: Int[np.ndarray, "images 2"]  # (height, width) of each image
    held_out: DataSet | None

    @classmethod
    def open(cls, options: CoverageOptions, recipe: Recipe) -> _Data:
        """Open the split, and, where priors are fitted, images outside it."""
        paths, seed, reading = as_paths(options.data), recipe.training.seed, options.reading
        train, held_out = training_split(paths, options.split, "none", seed, reading).train, None
        if options.fit is not None:
            held_out = _held_out(paths, train, reading)
            if held_out is None:  # then a tenth is set aside, as in training
                train, held_out, *_ = training_split(paths, options.split, None, seed, reading)
        options.notify(f"measuring {count_of(len(train), 'images')} ({train.description})")
        if held_out is not None:
            options.notify(
                f"held out: {count_of(len(held_out), 'images')} ({held_out.description})"
            )
        for note in train.notes:
            options.notify(note)
        return cls(train, image_sizes(train), held_out)


def _held_out(paths: Sequence[Path], train: DataSet, reading: ReadingOptions) -> DataSet | None:
    """Open the split that an evaluation takes, if it has no image to train on."""
    evaluated = evaluation_split(paths, None, reading).dataset
    shared = evaluated.paths.isin(train.paths).any()
    return None if shared else evaluated


@dataclass(frozen=True)
class _FitTask:
    """Objects that priors are fitted to, and the priors that the fit begins at."""

    recipe: Recipe
    data: _Data
    model: TrainableDetector
    measured: Measured

    def run(self, writer: FittedRecipe, *, with_input: bool) -> tuple[PriorFit, Measured]:
        """Fit the shapes, write the recipe, load it, and measure what it gains."""
        start, start_recipe = self.model, self.recipe
        layout, objects = self.measured.layout, self.measured.objects
        proposed = propose_input(self.data.sizes, layout.size) if with_input else None
        if proposed is not None:
            start_recipe = writer.with_values({"model.input": list(proposed)})
            start = build_untrained(start_recipe, self.data.train.class_names)
            layout = _layout_of(start, writer.source)
            objects = objects_in_input(self.data.train, self.data.sizes, layout.size)
        augmented = _augmented_boxes(start_recipe, self.data.train, start)
        shapes = fit_shapes([objects.boxes, augmented], layout.levels, layout.size)
        fitted_recipe = writer.with_shapes(start_recipe, shapes)
        fitted = _layout_of(
            build_untrained(fitted_recipe, self.data.train.class_names), writer.source
        )
        before, after = (
            self.measured.coverage,
            Measured.of(objects, fitted, self.measured.coverage.data),
        )
        augmented_before = augmented
        if proposed is not None:
            augmented_before = _augmented_boxes(self.recipe, self.data.train, self.model)
        gains = (
            Gain(before.data, before.all, after.coverage.all),
            Gain(
                "the same images, augmented as in training",
                _overlap(augmented_before, self.measured.layout),
                _overlap(augmented, fitted),
            ),
            *self._held_out_gain(fitted),
        )
        fit = PriorFit(writer.path, layout.size, tuple(shapes), gains, after.coverage)
        writer.write(fitted_recipe, fit, with_input=proposed is not None)
        return fit, after

    def _held_out_gain(self, fitted: PriorLayout) -> Sequence[Gain]:
        """Measure held-out images, if there are some with objects."""
        held_out = self.data.held_out
        if held_out is None:
            return ()
        sizes = image_sizes(held_out)
        before, after = (
            _overlap(objects_in_input(held_out, sizes, layout.size).boxes, layout)
            for layout in (self.measured.layout, fitted)
        )
        return (Gain(f"held out: {held_out.description}", before, after),) if after.objects else ()


def _overlap(boxes: Float[Tensor, "n 4"], layout: PriorLayout) -> Overlap:
    return measure_overlap(best_priors(boxes, layout).iou)


def _augmented_boxes(
    recipe: Recipe, train: DataSet, model: TrainableDetector
) -> Float[Tensor, "n 4"]:
    """Return the objects of some images as the recipe's augmentation gives them to training.

    Expansion makes objects smaller, crops make them larger: priors that fit only what is annotated
    would leave a part of the training without a match.
    """
    images = build_images(recipe, train, model, train)
    places = np.linspace(0, len(train) - 1, min(len(train), NUM_AUGMENTED)).astype(int)
    rounds = -(-NUM_AUGMENTED // len(places))
    draws = [Draw(epoch, int(index)) for epoch in range(rounds) for index in places]
    samples = images.__getitems__(draws[:NUM_AUGMENTED])
    if isinstance(samples, SingleshotError):
        raise samples
    boxes = torch.cat([sample.truth[~sample.truth.crowd].boxes for sample in samples])
    return boxes[area(boxes) > 0]
