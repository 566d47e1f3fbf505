"""SSDLite on MobileNetV2 of TensorFlow 1's Object Detection API, as a TensorFlow.js graph.

Such a model is a `model.json`, with the graph and a list of its constants, and files of their
numbers beside it. Scores are sigmoids, offsets have y before x, and "SAME" convolutions of stride 2
pad more at the end than at the start.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.geometry import to_centres, to_corners
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.ssd.priors import Priors
from singleshot.detectors.ssd.settings import PriorSettings
from singleshot.errors import ModelError
from singleshot.importers.class_names import class_columns
from singleshot.recipes.load import load_recipe
from singleshot.recipes.schema import Recipe

__all__ = ["is_tensorflow", "read_tensorflow"]

DTYPES = {"float32": torch.float32, "int32": torch.int32}
DEFAULT_EPSILON = 1e-4  # of FusedBatchNorm, if the graph has none

BACKBONE = "FeatureExtractor/MobilenetV2"
OURS = "backbone.body.network"
BLOCKS = (1, 2, 3, 4, 3, 3, 1)  # of each stage (MobileNetV2, table 2)
EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))  # channels within, and of the level
NUM_LEVELS = 2 + len(EXTRA)
FIRST_STRIDE = 16

LARGEST_ERROR = 1e-6  # of a prior's corners, as fractions of the input

Layers = dict[str, Tensor]  # weights and biases of convolutions, under our names
Shape = tuple[float, float]  # (width, height) as fractions of the input's sides


@dataclass(frozen=True)
class _Graph:
    """The constants of a graph, and the attributes of its nodes."""

    source: str  # for errors
    constants: Mapping[str, Tensor]
    attributes: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, name: str) -> Tensor:
        """Return a constant in double precision; raises ModelError if it is missing."""
        if name not in self.constants:
            raise ModelError(
                f"{self.source} has no constant {name!r}: it is no SSDLite-MobileNetV2 of "
                f"TensorFlow's Object Detection API"
            )
        return self.constants[name].double()


def is_tensorflow(path: Path) -> bool:
    """Check whether this is a TensorFlow.js graph model: its folder, or its `model.json`."""
    file = path / "model.json" if path.is_dir() else path
    if file.suffix != ".json" or not file.is_file():
        return False
    return '"modelTopology"' in file.read_text(encoding="utf-8", errors="replace")


def read_tensorflow(path: Path) -> Checkpoint:
    """Read the detector of a TensorFlow.js graph model: its folder or its `model.json`.

    Batch norms are folded into the convolutions before them. Raises ModelError for a damaged or
    quantised model, and for one of another architecture.
    """
    graph = _read_graph(path)
    weights: Layers = {}
    for theirs, ours in (*_backbone_layers(), *_extra_layers()):
        weights |= _read_convolution(graph, theirs, ours)
    num_priors = []
    for level in range(NUM_LEVELS):
        head, ours = f"BoxPredictor_{level}/BoxEncodingPredictor", f"heads.offsets.{level}"
        weights |= _read_convolution(graph, f"{head}_depthwise", f"{ours}.0.0")
        weights |= _read_predictor(graph, head, f"{ours}.1", columns=(1, 0, 3, 2), width=4)
        num_priors.append(len(weights[f"{ours}.1.bias"]) // 4)
    num_columns = len(graph["BoxPredictor_0/ClassPredictor/biases"]) // num_priors[0]
    columns = class_columns(num_columns, path)
    for level in range(NUM_LEVELS):
        head, ours = f"BoxPredictor_{level}/ClassPredictor", f"heads.logits.{level}"
        weights |= _read_convolution(graph, f"{head}_depthwise", f"{ours}.0.0")
        weights |= _read_predictor(
            graph, head, f"{ours}.1", columns=columns.used, width=num_columns
        )
    return Checkpoint(weights, _recipe_for(graph, num_priors), columns.names, metrics={})


def _read_graph(path: Path) -> _Graph:
    file = path / "model.json" if path.is_dir() else path
    try:
        model = json.loads(file.read_text(encoding="utf-8"))
        nodes = model["modelTopology"]["node"]
        constants = {
            name: tensor
            for group in model["weightsManifest"]
            for name, tensor in _read_constants(file, group)
        }
        attributes = {node["name"]: node.get("attr", {}) for node in nodes}
    except OSError as error:
        raise ModelError(
            f"{error.filename}: {error.strerror}; put all files of the model into one folder"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{file}: not a TensorFlow.js graph model ({type(error).__name__}); "
            f"expected its model.json"
        ) from error
    return _Graph(str(file), constants, attributes)


def _read_constants(file: Path, group: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Read a group of constants, whose numbers follow each other in its files."""
    data = b"".join((file.parent / name).read_bytes() for name in group["paths"])
    entries = group["weights"]
    for entry in entries:
        if "quantization" in entry or entry["dtype"] not in DTYPES:
            dtype = entry.get("quantization", entry)["dtype"]
            raise ModelError(
                f"{file}: constant {entry['name']!r} is {dtype}; give a model that was converted "
                f"without quantisation"
            )
    counts = [math.prod(entry["shape"]) for entry in entries]
    expected = 4 * sum(counts)
    if len(data) != expected:
        raise ModelError(
            f"{file}: its files {', '.join(group['paths'])} have {len(data)} bytes in all, "
            f"expected {expected}; they are damaged or not of this model"
        )
    offset = 0
    for entry, count in zip(entries, counts, strict=True):
        numbers = torch.frombuffer(
            bytearray(data[offset : offset + 4 * count]), dtype=DTYPES[entry["dtype"]]
        )
        offset += 4 * count
        yield entry["name"], numbers.reshape(entry["shape"])


def _backbone_layers() -> Iterator[tuple[str, str]]:
    """Yield their names and ours (timm's `mobilenetv2_100`) of the backbone's convolutions."""
    yield f"{BACKBONE}/Conv", f"{OURS}.conv_stem"
    # The first block has no expansion.
    yield f"{BACKBONE}/expanded_conv/depthwise", f"{OURS}.blocks.0.0.conv_dw"
    yield f"{BACKBONE}/expanded_conv/project", f"{OURS}.blocks.0.0.conv_pw"
    blocks = [(stage, block) for stage, number in enumerate(BLOCKS) for block in range(number)]
    for number, (stage, block) in list(enumerate(blocks))[1:]:
        theirs, ours = f"{BACKBONE}/expanded_conv_{number}", f"{OURS}.blocks.{stage}.{block}"
        yield f"{theirs}/expand", f"{ours}.conv_pw"
        yield f"{theirs}/depthwise", f"{ours}.conv_dw"
        yield f"{theirs}/project", f"{ours}.conv_pwl"
    yield f"{BACKBONE}/Conv_1", f"{OURS}.conv_head"


def _extra_layers() -> Iterator[tuple[str, str]]:
    """Yield their names and ours of the extra levels' convolutions."""
    for level, (squeeze, channels) in enumerate(EXTRA):
        number, ours = level + 2, f"pyramid.extra.{level}"
        widening = f"{BACKBONE}/layer_19_2_Conv2d_{number}_3x3_s2_{channels}"
        yield f"{BACKBONE}/layer_19_1_Conv2d_{number}_1x1_{squeeze}", f"{ours}.0.0"
        yield f"{widening}_depthwise", f"{ours}.1.0"
        yield widening, f"{ours}.2.0"


def _read_convolution(graph: _Graph, theirs: str, ours: str) -> Layers:
    """Read a convolution with its batch norm folded into it."""
    if f"{theirs}/depthwise_weights" in graph.constants:
        weight = graph[f"{theirs}/depthwise_weights"].permute(2, 3, 0, 1)
    else:
        weight = graph[f"{theirs}/Conv2D/merged_input"].permute(3, 2, 0, 1)
    scale, shift = _read_batch_norm(graph, f"{theirs}/BatchNorm")
    return _layer_of(ours, weight * scale[:, None, None, None], shift)


def _read_batch_norm(graph: _Graph, norm: str) -> tuple[Tensor, Tensor]:
    """Read scale and shift of each channel, unless the graph's optimiser has folded them."""
    if f"{norm}/gamma" in graph.constants:
        gamma, beta, mean, variance = (
            graph[f"{norm}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        attributes = graph.attributes.get(f"{norm}/FusedBatchNorm", {})
        epsilon = attributes.get("epsilon", {}).get("f", DEFAULT_EPSILON)
        scale = gamma / torch.sqrt(variance + epsilon)
        return scale, beta - mean * scale
    shift = graph[f"{norm}/batchnorm/sub"]
    if f"{norm}/batchnorm/mul" in graph.constants:
        return graph[f"{norm}/batchnorm/mul"], shift
    # The scale of a convolution over all channels is in its weights already.
    return torch.ones_like(shift), shift


def _read_predictor(
    graph: _Graph, theirs: str, ours: str, *, columns: tuple[int, ...], width: int
) -> Layers:
    """Read the last convolution of a head: these columns of each prior's `width` outputs."""
    weight = graph[f"{theirs}/weights"].permute(3, 2, 0, 1)
    weight = weight.reshape(-1, width, *weight.shape[1:])
    bias = graph[f"{theirs}/biases"].reshape(-1, width)
    return _layer_of(ours, weight[:, columns].flatten(0, 1), bias[:, columns].flatten())


def _layer_of(name: str, weight: Tensor, bias: Tensor) -> Layers:
    return {f"{name}.weight": weight.float().contiguous(), f"{name}.bias": bias.float()}


def _recipe_for(graph: _Graph, num_priors: list[int]) -> Recipe:
    """Build the recipe with the numbers of the graph and of ssdlite_mobilenet_v2_coco.config."""
    height, width = (int(side) for side in graph["Preprocessor/map/while/ResizeImage/stack"])
    return load_recipe(
        "ssdlite320-mobilenet-v2",
        {
            "model.input": [height, width],
            # The graph itself samples (`tensorflow1`), which skips pixels of large images.
            "model.resize": "antialias",
            "model.pixels": {"mean": [127.5] * 3, "std": [127.5] * 3},
            "model.backbone": {
                "kind": "timm",
                "name": "mobilenetv2_100",
                "nodes": ["blocks.5.0.bn1", "bn2"],
                "arguments": {"pad_type": "same"},
                "weights": "none",
                "batch_norm": "frozen",
            },
            "model.pyramid.batch_norm": False,
            "model.pyramid.extra": [
                {"squeeze": squeeze, "channels": channels, "padding": "same"}
                for squeeze, channels in EXTRA
            ],
            "model.heads.batch_norm": False,
            "model.heads.scores": "sigmoid",
            "model.priors": {"shapes_unit": _shapes_of(graph, num_priors, (height, width))},
            "model.results.score_threshold": 0.01,
            "model.results.nms": "hard",
            "model.results.iou_threshold": 0.6,
            "model.results.top_k": 100,
            "model.results.keep": 100,
        },
    )


def _shapes_of(graph: _Graph, num_priors: list[int], size: tuple[int, int]) -> list[list[Shape]]:
    """Compute the shapes of a cell's priors at each level; raises ModelError if cells differ."""
    grids = [
        (-(-size[0] // stride), -(-size[1] // stride))
        for stride in (FIRST_STRIDE * 2**level for level in range(NUM_LEVELS))
    ]
    lengths = [
        rows * columns * priors for (rows, columns), priors in zip(grids, num_priors, strict=True)
    ]
    anchors = _anchors_of(graph)
    if sum(lengths) != len(anchors):
        raise ModelError(
            f"{graph.source} has {len(anchors)} anchors, but its heads predict {sum(lengths)}"
        )
    levels = zip(torch.split(anchors, lengths), num_priors, strict=True)
    shapes = [_cell_shapes(level, priors) for level, priors in levels]
    settings = PriorSettings.model_validate({"shapes_unit": shapes})
    ours = to_corners(Priors.from_settings(settings, grids, size).boxes_cxcywh_unit)
    error = float((ours - anchors).abs().max())
    if error > LARGEST_ERROR:
        raise ModelError(
            f"{graph.source}: its anchors are no grid of equal cells (off by {error:.1g} of the "
            f"input), and cannot be imported"
        )
    return shapes


def _anchors_of(graph: _Graph) -> Float[Tensor, "priors 4"]:
    """Read the corners of the anchors, x before y."""
    return graph["Postprocessor/ExpandDims"][0][:, [1, 0, 3, 2]]


def _cell_shapes(anchors: Float[Tensor, "priors 4"], number: int) -> list[Shape]:
    """Average the sizes over all cells of `number` anchors, rounded from the noise of floats."""
    sizes = to_centres(anchors)[:, 2:].reshape(-1, number, 2).mean(dim=0)
    return [(round(width, 7), round(height, 7)) for width, height in sizes.tolist()]
