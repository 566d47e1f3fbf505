"""Caffe's PriorBox and DetectionOutput layers as tables of a recipe."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from singleshot.backbones.settings import IMAGE
from singleshot.errors import ModelError
from singleshot.importers.caffe.network import CaffeLayer, extent
from singleshot.importers.caffe.text import Message
from singleshot.importers.graph import LevelPredictor

__all__ = ["CaffeHeads", "heads_of", "prior_shapes", "prior_table", "result_table"]

# Layers between a head's convolution and the end; they change the order of numbers at most.
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
        """Number of classes, with the background."""
        return int(self.output.definition.only("detection_output_param").number("num_classes", 0))


def heads_of(layers: Mapping[str, CaffeLayer], source: str) -> CaffeHeads:
    """Follow DetectionOutput's three inputs back to the layers that compute them."""
    outputs = [layer for layer in layers.values() if layer.kind == "DetectionOutput"]
    if len(outputs) != 1:
        raise ModelError(
            f"{source} has {len(outputs)} DetectionOutput layers, expected one; give the deploy "
            f"prototxt of an SSD"
        )
    (output,) = outputs
    _require_usual(output)
    if len(output.inputs) < 3:
        raise output.refuse(f"{len(output.inputs)} inputs (expected offsets, scores and priors)")
    offsets, logits, priors = _inputs_of(output, layers)[:3]
    if not any(layer.kind == "Softmax" for layer in _trail_of(logits, layers)):
        raise output.refuse("scores without a Softmax")
    heads = CaffeHeads(
        output,
        offsets=[_convolution_of(part, layers) for part in _levels_of(offsets, layers)],
        logits=[_convolution_of(part, layers) for part in _levels_of(logits, layers)],
        priors=_levels_of(priors, layers),
    )
    levels = [len(heads.offsets), len(heads.logits), len(heads.priors)]
    if len(set(levels)) > 1:
        raise output.refuse(f"offsets, scores and priors of {levels} levels")
    return heads


def _require_usual(output: CaffeLayer) -> None:
    """Raise ModelError for options of DetectionOutput that our heads and results do not have."""
    parameters = output.definition.only("detection_output_param")
    usual = {"share_location": "true", "background_label_id": "0", "code_type": "CENTER_SIZE"}
    # Caffe's defaults (caffe.proto, DetectionOutputParameter).
    defaults = {**usual, "code_type": "CORNER", "variance_encoded_in_target": "false"}
    for key, value in {**usual, "variance_encoded_in_target": "false"}.items():
        if (found := parameters.text(key, defaults[key])) != value:
            raise output.refuse(f"{key}: {found} (expected {value})")
    if (eta := parameters.only("nms_param").number("eta", 1)) != 1:
        raise output.refuse(f"nms_param's eta: {eta} (expected 1)")


def _inputs_of(layer: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> list[CaffeLayer]:
    """Find the layers whose outputs are inputs of a layer."""
    if IMAGE in (layer.input, *layer.inputs):
        raise layer.refuse("a head whose input is the image itself")
    return [layers[name] for name in layer.inputs]


def _trail_of(layer: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> list[CaffeLayer]:
    """Go back from a layer over those that only order numbers to the one that computes them."""
    trail = [layer]
    while trail[-1].kind in ORDERING:
        trail.append(_inputs_of(trail[-1], layers)[0])
    return trail


def _levels_of(layer: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> list[CaffeLayer]:
    """Find the layers of all levels, which are concatenated before this one."""
    end = _trail_of(layer, layers)[-1]
    return _inputs_of(end, layers) if end.kind == "Concat" else [layer]


def _convolution_of(part: CaffeLayer, layers: Mapping[str, CaffeLayer]) -> CaffeLayer:
    """Find the convolution whose outputs are a level's, cell by cell."""
    *ordering, end = _trail_of(part, layers)
    if end.kind != "Convolution":
        raise end.refuse("a head that ends with it (expected a Convolution)")
    orders = [layer for layer in ordering if layer.kind == "Permute"]
    order = orders[0].definition.only("permute_param").texts("order") if orders else []
    if order != CELLS_FIRST:
        raise end.refuse("a head without Permute 0, 2, 3, 1")
    parameters = end.definition.only("convolution_param")
    kernel = extent(parameters, "kernel_size", "kernel", 0)
    padding = extent(parameters, "pad", "pad", 0)
    others = [parameters.number("group", 1), extent(parameters, "stride", "stride", 1)]
    if others != [1, 1] or extent(parameters, "dilation", "dilation", 1) != 1:
        raise end.refuse("a head with groups, stride or dilation")
    if not isinstance(kernel, int) or kernel % 2 == 0 or padding != kernel // 2:
        raise end.refuse(
            f"a head with kernel_size {kernel} and pad {padding} (expected half of it)"
        )
    return end


def predictor_of(layer: CaffeLayer, channels: int) -> LevelPredictor:
    """Take the weights of a head's convolution, which must have this number of channels."""
    weight = layer.kernels()
    if len(weight) != channels:
        raise ModelError(
            f"{layer.place} has {len(weight)} channels; its priors and classes need {channels}"
        )
    parameters = layer.definition.only("convolution_param")
    bias = layer.blob(1).flatten() if parameters.flag("bias_term", default=True) else None
    return LevelPredictor(layer.input, weight, torch.zeros(channels) if bias is None else bias)


Size = tuple[int, int]


def prior_table(
    priors: Sequence[CaffeLayer], size: Size, grids: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """Build `model.priors`; `size` is the input's (height, width), `grids` rows and columns."""
    height, width = size
    boxes = [_prior_box(layer, size) for layer in priors]
    shapes = [[(w / width, h / height) for w, h in prior_shapes(box)] for box in boxes]
    clips = {box.flag("clip", default=False) for box in boxes}
    scales = {offset_scales(layer, box) for layer, box in zip(priors, boxes, strict=True)}
    if len(clips) > 1 or len(scales) > 1:
        raise priors[0].refuse("clip or variance other than at the other levels")
    return {
        "shapes_unit": shapes,
        "clip": "corners" if clips == {True} else "none",
        "offset_scales": scales.pop(),
        **_stride_table(priors, boxes, size, grids),
    }


def _prior_box(layer: CaffeLayer, size: Size) -> Message:
    """Read the parameters of a PriorBox layer, whose image size must be the input's."""
    if layer.kind != "PriorBox":
        raise layer.refuse("priors of this type (expected PriorBox)")
    box = layer.definition.only("prior_box_param")
    side = box.number("img_size", 0)
    image = (box.number("img_h", side or size[0]), box.number("img_w", side or size[1]))
    if image != size:
        raise layer.refuse(f"an image of {image} pixels where the input has {size}")
    return box


def prior_shapes(box: Message) -> list[tuple[float, float]]:
    """Compute the (width, height) in pixels of a cell's priors (`prior_box_layer.cpp`).

    Sizes are truncated to whole pixels there, and repeated ratios are left out.
    """
    ratios = [1.0]
    for ratio in box.numbers("aspect_ratio"):
        if all(abs(ratio - other) >= 1e-6 for other in ratios):
            ratios += [ratio, 1 / ratio] if box.flag("flip", default=True) else [ratio]
    smallest = [int(size) for size in box.numbers("min_size")]
    largest = [int(size) for size in box.numbers("max_size")]
    if largest and len(largest) != len(smallest):
        raise ModelError(
            f"{box.place}: {len(largest)} max_size for {len(smallest)} min_size; expected as many"
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


def offset_scales(layer: CaffeLayer, box: Message) -> tuple[float, float]:
    """Read the offset scales of centre and size; Caffe's default is 0.1 for both."""
    variances = box.numbers("variance") or [0.1]
    if len(variances) not in {1, 4}:
        raise layer.refuse(f"variance {variances} (expected one number or four)")
    x, y, width, height = variances * 4 if len(variances) == 1 else variances
    if x != y or width != height:
        raise layer.refuse(f"variance {variances} that differs between x and y")
    return x, width


def _stride_table(
    priors: Sequence[CaffeLayer],
    boxes: Sequence[Message],
    size: Size,
    grids: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Build the strides of `model.priors`; Caffe's may lead out of the image."""
    offsets = [box.number("offset", 0.5) for box in boxes]
    steps = [_steps_of(box) for box in boxes]
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


def _steps_of(box: Message) -> tuple[float, float]:
    """Read the strides in y and x; 0 if the prototxt has none."""
    step = box.number("step", 0)
    return box.number("step_h", step), box.number("step_w", step)


def result_table(heads: CaffeHeads, num_priors: int) -> dict[str, Any]:
    """Build `model.results`; where Caffe has no limit, it is the largest possible number."""
    parameters = heads.output.definition.only("detection_output_param")
    nms = parameters.only("nms_param")
    top_k, keep = int(nms.number("top_k", -1)), int(parameters.number("keep_top_k", -1))
    return {
        "score_threshold": max(parameters.number("confidence_threshold", 0), 0),
        "iou_threshold": nms.number("nms_threshold", 0.3),
        "top_k": top_k if top_k > 0 else num_priors,
        "keep": keep if keep > 0 else num_priors * (heads.num_columns - 1),
    }
