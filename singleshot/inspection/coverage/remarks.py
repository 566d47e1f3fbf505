"""Remarks on the numbers of a coverage: a line each, with the remedy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int

from singleshot.data.input_objects import InputObjects
from singleshot.detectors.common.prior_overlap import BestPriors
from singleshot.detectors.common.priors import PriorLayout
from singleshot.errors import some_of
from singleshot.inspection.coverage.input_shape import distortion, propose_input
from singleshot.inspection.coverage.result import IOU_THRESHOLD, Measured

__all__ = ["make_remarks"]

LOW_RECALL = 0.9  # of all objects
LOW_CLASS_RECALL = 0.75
FEWEST_OBJECTS = 5  # of a class, for a remark on it
FEW = 0.01  # share of objects that is not worth a remark


def make_remarks(
    measured: Measured, sizes: Int[np.ndarray, "images 2"], *, fits: bool
) -> list[str]:
    """Write the remarks, the most important first; `fits`: priors are fitted already."""
    objects, best, layout = measured.objects, measured.best, measured.layout
    return [
        *_on_tiny_objects(objects, layout),
        *_on_recall(objects, best, fits=fits),
        *_on_shared_priors(objects, best),
        *_on_unused_levels(best, layout),
        *_on_input(sizes, layout.size, fits=fits),
        *_on_left_out(objects),
    ]


def _on_tiny_objects(objects: InputObjects, layout: PriorLayout) -> Iterator[str]:
    """Remark on objects within one cell of the finest level."""
    stride_down, stride_across = layout.levels[0].stride
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    tiny = (sides < sides.new_tensor([stride_across, stride_down])).any(dim=1)
    number = int(tiny.sum())
    if number > FEW * len(objects):
        height, width = layout.size
        yield (
            f"{number:,} of {len(objects):,} objects are narrower or lower than one cell of the "
            f"finest level, {stride_across:g} x {stride_down:g} pixels of the input: neighbouring "
            f"cells see the same object. Use a larger input (--set "
            f"model.input=[{2 * height}, {2 * width}]), cut the images into tiles, or add a finer "
            f"level (model.backbone.strides)"
        )


def _on_recall(objects: InputObjects, best: BestPriors, *, fits: bool) -> Iterator[str]:
    """Remark on objects that no prior overlaps by one half, and on their classes."""
    missed = best.iou < IOU_THRESHOLD
    share = float(missed.float().mean())
    if share > 1 - LOW_RECALL:
        remedy = "" if fits else ": --fit OUT.toml writes a recipe with priors that fit them better"
        yield (
            f"{share:.0%} of the objects overlap no prior by IoU {IOU_THRESHOLD:g}: each is "
            f"trained on at its single best prior alone{remedy}"
        )
    low = []
    for label, name in enumerate(objects.class_names):
        own = missed[objects.labels == label]
        recall = 1 - float(own.float().mean()) if len(own) else 1.0
        if len(own) >= FEWEST_OBJECTS and recall < LOW_CLASS_RECALL:
            low.append(f"{name} ({recall:.2f})")
    if low and len(objects.class_names) > 1:
        yield f"classes with a recall below {LOW_CLASS_RECALL:g}: {some_of(low)}"


def _on_shared_priors(objects: InputObjects, best: BestPriors) -> Iterator[str]:
    """Remark on objects of one image whose best prior is the same."""
    pairs = torch.stack([objects.images, best.prior], dim=1)
    number = len(pairs) - len(torch.unique(pairs, dim=0))
    if number > FEW * len(objects):
        have, are = ("object has", "is") if number == 1 else ("objects have", "are")
        yield (
            f"{number:,} {have} the same best prior as another one in the image and {are} "
            f"matched to a worse one: objects stand closer together than priors. A larger input or "
            f"a finer level separates them"
        )


def _on_unused_levels(best: BestPriors, layout: PriorLayout) -> Iterator[str]:
    """Remark on the coarsest levels, where they cover nearly no object best."""
    shares = torch.bincount(best.level, minlength=len(layout.levels)) / max(len(best.level), 1)
    used = (shares > FEW).nonzero().flatten().tolist()
    unused = layout.levels[max(used, default=-1) + 1 :]
    if unused:
        grids = some_of(["{} x {}".format(*level.grid) for level in unused])
        yield (
            f"the coarsest levels ({grids}) cover under {FEW:.0%} of the objects best: they cost "
            f"little, but fewer levels (model.pyramid.extra, with the priors of each) would do"
        )


def _on_input(
    sizes: Int[np.ndarray, "images 2"], size: tuple[int, int], *, fits: bool
) -> Iterator[str]:
    """Remark on an input of another shape than the images."""
    proposed = propose_input(sizes, size)
    if proposed is None:
        return
    ratio = float(np.exp(np.median(np.log(sizes[:, 1] / sizes[:, 0]))))
    factor = distortion(sizes, size) / distortion(sizes, proposed)
    flag = "--fit-input" if fits else "--fit OUT.toml --fit-input"
    yield (
        f"images are {ratio:.2f} times as wide as high, the input {size[1] / size[0]:.2f} times: "
        f"resizing distorts them by a factor of {factor:.2f} more than model.input = "
        f"{list(proposed)}, which has as many pixels ({flag} writes it)"
    )


def _on_left_out(objects: InputObjects) -> Iterator[str]:
    """Remark on objects that are not counted."""
    if objects.num_left_out:
        number = objects.num_left_out
        are = "annotation is" if number == 1 else "annotations are"
        yield (
            f"{number:,} {are} left out, as training does: boxes without "
            f"an area within the image, and regions of crowds"
        )
