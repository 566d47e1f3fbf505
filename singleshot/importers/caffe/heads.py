"""What Caffe's PriorBox and DetectionOutput layers say, as tables of our recipe."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from singleshot.backbones.settings import IMAGE
from singleshot.errors import ModelError
from singleshot.importers.caffe.network import CaffeLayer, extent
from singleshot.importers.caffe.text import Message
from singleshot.importers.graph import Predictor

__all__ = ["CaffeHeads", "heads_of", "prior_shapes", "prior_table", "result_table"]

# They lie between a head's convolution and the end, and change the order of numbers at most.
ORDERING = {"Permute", "Flatten", "Reshape", "Softmax"}
CELLS_FIRST = ["0", "2", "3", "1"]


@dataclass(frozen=True, slots=True)
class CaffeHeads:
    """The layers at the end of a detector, level by level."""

    output: CaffeLayer  # DetectionOutput
    offsets: list[CaffeLayer]
    logits: list[CaffeLayer]
    priors: list[CaffeLayer]

    @property
    def num_columns(self) -> int:
        """Classes and the background."""
        return int(self.output.definition.only("detection_output_param").number("num_classes", 0))


def heads_of(layers: Mapping[str, CaffeLayer], place: str) -> CaffeHeads:
    """Follow DetectionOutput's three inputs back to where they come from."""
    outputs = [layer for layer in layers.values() if layer.kind == "DetectionOutput"]
    if len(outputs) != 1:
        raise ModelError(
            f"{place} has {len(outputs)} DetectionOutput layers, expected one; give the deploy "
            f"prototxt of an SSD"
        )
    (output,) = outputs
    refuse_unusual(output)
    if len(output.inputs) < 3:
        raise output.refuse(f"{len(output.inputs)} inputs (expected offsets, scores and priors)")
    offsets, logits, priors = before(output, layers)[:3]
    if not any(layer.kind == "Softmax" for layer in trail(logits, layers)):
        raise output.refuse("scores that come from no Softmax")
    heads = CaffeHeads(
        output,
        offsets=[convolution_of(part, layers) for part in parts(offsets, layers)],
        logits=[convolution_of(part, layers) for part in parts(logits, layers)],
        priors=parts(priors, layers),
    )
    levels = [len(heads.offsets), len(heads.logits), len(heads.priors)]
    if len(set(levels)) > 1:
        raise output.refuse(f"offsets, scores and priors of {levels} levels")
    return heads


def refuse_unusual(output: CaffeLayer) -> None:
    """What our heads and results cannot do."""
    about = output.definition.only("detection_output_param")
    usual = {"share_location": "true", "background_label_id": "0", "code_type": "CENTER_SIZE"}
    # What Caffe takes where a prototxt is silent (caffe.proto, DetectionOutputParameter).
    silent = {**usual, "code_type": "CORNER", "variance_encoded_in_target": "false"}
    for key, value in {**usual, "variance_encoded_in_target": "false"}.items():
        if (found := about.text(key, silent[key])) != value:
            raise output.refuse(f"{key}: {found} (expected {value})")
    if (eta := about.only("nms_param").number("eta", 1)) != 1:
        raise output.refuse(f"nms_param's eta: {eta} (expected 1)")


def before(layer: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> list[CaffeLayer]:
    """The layers that one takes."""
    if IMAGE in (layer.input, *layer.inputs):
        raise layer.refuse("a head that takes the image itself")
    return [layers[name] for name in layer.inputs]


def trail(layer: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> list[CaffeLayer]:
    """A layer, and those before it that only order numbers, up to the first that computes them."""
    found = [layer]
    while found[-1].kind in ORDERING:
        found.append(before(found[-1], layers)[0])
    return found


def parts(layer: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> list[CaffeLayer]:
    """The layers that are joined there, one for each level."""
    end = trail(layer, layers)[-1]
    return before(end, layers) if end.kind == "Concat" else [layer]


def convolution_of(part: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> CaffeLayer:
    """The convolution whose outputs are a level's, cell by cell."""
    *ordering, end = trail(part, layers)
    if end.kind != "Convolution":
        raise end.refuse("a head that ends with it (expected a Convolution)")
    orders = [layer for layer in ordering if layer.kind == "Permute"]
    order = orders[0].definition.only("permute_param").texts("order") if orders else []
    if order != CELLS_FIRST:
        raise end.refuse("a head whose outputs do not go through Permute 0, 2, 3, 1")
    about = end.definition.only("convolution_param")
    kernel, padding = extent(about, "kernel_size", "kernel", 0), extent(about, "pad", "pad", 0)
    others = [about.number("group", 1), extent(about, "stride", "stride", 1)]
    if others != [1, 1] or extent(about, "dilation", "dilation", 1) != 1:
        raise end.refuse("a head with groups, stride or dilation")
    if not isinstance(kernel, int) or kernel % 2 == 0 or padding != kernel // 2:
        raise end.refuse(
            f"a head with kernel_size {kernel} and pad {padding} (expected half of it)"
        )
    return end


def predictor_of(layer: CaffeLayer, channels: int) -> Predictor:
    """A head's convolution; `channels` are those that priors and classes want."""
    weight = layer.kernels()
    if len(weight) != channels:
        raise ModelError(
            f"{layer.place} has {len(weight)} channels; its priors and classes want {channels}"
        )
    about = layer.definition.only("convolution_param")
    bias = layer.blob(1).flatten() if about.flag("bias_term", default=True) else None
    return Predictor(layer.input, weight, torch.zeros(channels) if bias is None else bias)


Size = tuple[int, int]


def prior_table(
    priors: Sequence[CaffeLayer], size: Size, grids: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """`model.priors`; `size` is the input's (height, width), `grids` are rows and columns."""
    height, width = size
    abouts = [about_priors(layer, size) for layer in priors]
    shapes = [[(w / width, h / height) for w, h in prior_shapes(about)] for about in abouts]
    clips = {about.flag("clip", default=False) for about in abouts}
    scales = {offset_scales(layer, about) for layer, about in zip(priors, abouts, strict=True)}
    if len(clips) > 1 or len(scales) > 1:
        raise priors[0].refuse("clip or variance other than at the other levels")
    return {
        "shapes_unit": shapes,
        "clip": "corners" if clips == {True} else "none",
        "offset_scales": scales.pop(),
        **stride_table(priors, abouts, size, grids),
    }


def about_priors(layer: CaffeLayer, size: Size) -> Message:
    if layer.kind != "PriorBox":
        raise layer.refuse("priors that come from it (expected PriorBox)")
    about = layer.definition.only("prior_box_param")
    side = about.number("img_size", 0)
    image = (about.number("img_h", side or size[0]), about.number("img_w", side or size[1]))
    if image != size:
        raise layer.refuse(f"an image of {image} pixels where the input has {size}")
    return about


def prior_shapes(about: Message) -> list[tuple[float, float]]:
    """(width, height) in pixels of a cell's priors (`prior_box_layer.cpp`).

    Sizes are cut to whole pixels there, and a ratio that is there already is left out.
    """
    ratios = [1.0]
    for ratio in about.numbers("aspect_ratio"):
        if all(abs(ratio - other) >= 1e-6 for other in ratios):
            ratios += [ratio, 1 / ratio] if about.flag("flip", default=True) else [ratio]
    smallest = [int(size) for size in about.numbers("min_size")]
    largest = [int(size) for size in about.numbers("max_size")]
    if largest and len(largest) != len(smallest):
        raise ModelError(
            f"{about.place}: {len(largest)} max_size for {len(smallest)} min_size; expected as many"
        )
    shapes: list[tuple[float, float]] = []
    for number, size in enumerate(smallest):
        shapes.append((size, size))
        if largest:
            between = math.sqrt(size * largest[number])
            shapes.append((between, between))
        roots = [math.sqrt(ratio) for ratio in ratios[1:]]
        shapes.extend((size * root, size / root) for root in roots)
    return shapes


def offset_scales(layer: CaffeLayer, about: Message) -> tuple[float, float]:
    """Of centre and size; Caffe takes 0.1 for both where nothing is said."""
    variances = about.numbers("variance") or [0.1]
    if len(variances) not in {1, 4}:
        raise layer.refuse(f"variance {variances} (expected one number or four)")
    x, y, width, height = variances * 4 if len(variances) == 1 else variances
    if x != y or width != height:
        raise layer.refuse(f"variance {variances} that differs between x and y")
    return x, width


def stride_table(
    priors: Sequence[CaffeLayer],
    abouts: Sequence[Message],
    size: Size,
    grids: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Caffe keeps to its steps even where they lead out of the image."""
    offsets = [about.number("offset", 0.5) for about in abouts]
    steps = [steps_of(about) for about in abouts]
    if not any(map(all, steps)) and set(offsets) == {0.5}:
        return {}
    strides = []
    for layer, step, grid in zip(priors, steps, grids, strict=True):
        down, across = step if all(step) else (size[0] / grid[0], size[1] / grid[1])
        if down != across:
            raise layer.refuse(f"{down} pixels from cell to cell down and {across} across")
        strides.append(down)
    centres = [offset * stride for offset, stride in zip(offsets, strides, strict=True)]
    return {"strides": strides, "first_centres": centres, "fixed_strides": True}


def steps_of(about: Message) -> tuple[float, float]:
    step = about.number("step", 0)
    return about.number("step_h", step), about.number("step_w", step)


def result_table(heads: CaffeHeads, num_priors: int) -> dict[str, Any]:
    """`model.results`; where Caffe keeps all, it is as many as there can be."""
    about = heads.output.definition.only("detection_output_param")
    suppression = about.only("nms_param")
    top_k, keep = int(suppression.number("top_k", -1)), int(about.number("keep_top_k", -1))
    return {
        "score_threshold": max(about.number("confidence_threshold", 0), 0),
        "iou_threshold": suppression.number("nms_threshold", 0.3),
        "top_k": top_k if top_k > 0 else num_priors,
        "keep": keep if keep > 0 else num_priors * (heads.num_columns - 1),
    }
