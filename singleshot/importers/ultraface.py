"""Linzaer's UltraFace: face detectors of 0.3 million parameters, slim and RFB.

Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB: `vision/nn/mb_tiny.py`, `mb_tiny_RFB.py`,
`vision/ssd/mb_tiny_fd.py`, `config/fd_config.py` and `detect_imgs.py`. Batch norms are folded; the
depthwise convolutions of its heads are layers of our graph, the 1 × 1 ones are our heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from singleshot.backbones.graph import GraphBackbone
from singleshot.backbones.settings import (
    IMAGE,
    ConvolutionLayer,
    MergeLayer,
    ReluLayer,
    ScaleLayer,
)
from singleshot.backbones.weights import read_state_dict
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.errors import ModelError
from singleshot.importers.graph import (
    FINE_TUNING,
    GraphWriter,
    LevelPredictor,
    batch_norm_as_scale,
)
from singleshot.recipes.load import recipe_from
from singleshot.recipes.schema import Recipe

__all__ = ["is_ultraface", "read_ultraface"]

HEIGHT, WIDTH = 240, 320
MIN_BOXES = ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))  # pixels, squares
LAST_BLOCKS = (7, 10, 12)  # of the three levels in `base_net`
STRIDES = (2, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1)  # of each block of `base_net`
RFB = 7  # the block that has branches, in the network of that name
DILATIONS = (2, 3, 5)  # at the end of each branch
EPSILON = 1e-5  # PyTorch's batch norm


def is_ultraface(state: Mapping[str, Tensor]) -> bool:
    """Check whether these tensors have UltraFace's names and the size of its first convolution."""
    first = state.get("base_net.0.0.weight")
    return first is not None and len(first) == 16 and "regression_headers.0.2.weight" in state


def read_ultraface(path: Path) -> Checkpoint:
    """Read the detector in a file of its training, slim or RFB, for images of 320 × 240.

    The class is called "face". Raises ModelError for a file of another network.
    """
    network = UltraFace(read_state_dict(path), str(path))
    network.write()
    if left := sorted(network.tensors):
        raise ModelError(f"{path} has {left[0]!r}, which no UltraFace has: it is another network")
    recipe = _recipe_for(network.graph, f"ultraface-{network.variant}", str(path))
    assert isinstance(recipe.model, SsdSettings)
    checkpoint = Checkpoint(network.graph.state(), recipe, ("face",), metrics={})
    backbone = GraphBackbone.from_settings(network.graph.settings(f"ultraface-{network.variant}"))
    checkpoint.restore(Ssd.from_settings(recipe.model, backbone, ("face",)), str(path))
    return checkpoint


@dataclass
class UltraFace:
    """The network being written as a graph; its tensors are taken out one by one."""

    tensors: dict[str, Tensor]
    source: str  # for errors
    graph: GraphWriter = field(default_factory=GraphWriter)

    def __post_init__(self) -> None:
        # `slim` counts batches as newer PyTorch does; nothing depends on it.
        self.tensors = {
            name: tensor
            for name, tensor in self.tensors.items()
            if not name.endswith("num_batches_tracked")
        }
        self.variant = "rfb" if f"base_net.{RFB}.shortcut.conv.weight" in self.tensors else "slim"

    def write(self) -> None:
        """Add all layers, then the predictors of the four levels."""
        feature, levels = IMAGE, []
        for block, stride in enumerate(STRIDES):
            if block == RFB and self.variant == "rfb":
                feature = self.add_rfb(feature)
            else:
                feature = self.add_block(block, feature, stride)
            levels += [feature] if block in LAST_BLOCKS else []
        levels.append(self.add_extra(feature))
        for level, feature in enumerate(levels):
            self.graph.add_level(
                self.predictor(f"regression_headers.{level}", feature),
                self.predictor(f"classification_headers.{level}", feature),
            )
        self.graph.fold_scales()

    def add_block(self, block: int, feature: str, stride: int) -> str:
        """Add 3 × 3 and, except in the first block, 1 × 1; each with batch norm and ReLU."""
        prefix = f"base_net.{block}"
        feature = self.add_conv_norm(f"{prefix}.0", f"{prefix}.1", feature, stride)
        feature = self.add_relu(feature)
        if block == 0:
            return feature
        return self.add_relu(self.add_conv_norm(f"{prefix}.3", f"{prefix}.4", feature))

    def add_rfb(self, feature: str) -> str:
        """Add three joined branches and a shortcut; the published scale between them is 1."""
        branches = tuple(self.add_branch(number, feature) for number in range(len(DILATIONS)))
        prefix = f"base_net.{RFB}"
        joined = self.add_merge(f"{prefix}.branches", "concat", branches)
        linear = self.add_basic_conv(f"{prefix}.ConvLinear", joined)
        shortcut = self.add_basic_conv(f"{prefix}.shortcut", feature)
        return self.add_relu(self.add_merge(f"{prefix}.sum", "add", (linear, shortcut)))

    def add_branch(self, number: int, feature: str) -> str:
        """Add 1 × 1, 3 × 3 with ReLU (twice in the last branch), then 3 × 3 with dilation."""
        prefix = f"base_net.{RFB}.branch{number}"
        feature = self.add_basic_conv(f"{prefix}.0", feature)
        last = 3 if number == 2 else 2
        for layer in range(1, last):
            feature = self.add_relu(self.add_basic_conv(f"{prefix}.{layer}", feature))
        return self.add_basic_conv(f"{prefix}.{last}", feature, dilation=DILATIONS[number])

    def add_basic_conv(self, prefix: str, feature: str, *, dilation: int = 1) -> str:
        """Add a convolution and its batch norm (`BasicConv`)."""
        return self.add_conv_norm(f"{prefix}.conv", f"{prefix}.bn", feature, dilation=dilation)

    def add_extra(self, feature: str) -> str:
        """Add the last level: 1 × 1, then depthwise and 1 × 1."""
        feature = self.add_relu(self.add_convolution("extras.0.0", feature))
        feature = self.add_relu(self.add_convolution("extras.0.2.0", feature, stride=2))
        return self.add_relu(self.add_convolution("extras.0.2.2", feature))

    def predictor(self, prefix: str, feature: str) -> LevelPredictor:
        """Take the last convolution of a head, which is separable except on the last level."""
        if f"{prefix}.weight" in self.tensors:
            return LevelPredictor(
                feature, self.take(f"{prefix}.weight"), self.take(f"{prefix}.bias")
            )
        feature = self.add_relu(self.add_convolution(f"{prefix}.0", feature))
        return LevelPredictor(
            feature, self.take(f"{prefix}.2.weight"), self.take(f"{prefix}.2.bias")
        )

    def add_conv_norm(
        self, convolution: str, norm: str, feature: str, stride: int = 1, *, dilation: int = 1
    ) -> str:
        """Add a convolution without bias, and its batch norm."""
        feature = self.add_convolution(convolution, feature, stride, dilation=dilation)
        kinds = ("running_mean", "running_var", "weight", "bias")
        mean, variance, *learned = (self.take(f"{norm}.{kind}") for kind in kinds)
        weights = batch_norm_as_scale(mean, variance, EPSILON, learned)
        self.graph.add(ScaleLayer(name=ours(norm), input=feature), weights)
        return ours(norm)

    def add_convolution(
        self, prefix: str, feature: str, stride: int = 1, *, dilation: int = 1
    ) -> str:
        """Add a convolution, depthwise if its kernels have one channel; "same" padding."""
        weight = self.take(f"{prefix}.weight")
        channels, inputs, kernel, _ = weight.shape
        bias = self.tensors.pop(f"{prefix}.bias", None)
        layer = ConvolutionLayer(
            name=ours(prefix),
            input=feature,
            channels=channels,
            kernel=kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=channels if inputs == 1 else 1,
            bias=bias is not None,
        )
        self.graph.add(
            layer, {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        )
        return layer.name

    def add_relu(self, feature: str) -> str:
        """Add a ReLU after a layer."""
        self.graph.add(ReluLayer(name=f"{feature}_relu", input=feature))
        return f"{feature}_relu"

    def add_merge(self, name: str, operation: str, inputs: tuple[str, ...]) -> str:
        """Add the sum or the concatenation of several layers."""
        layer = {"name": ours(name), "operation": operation, "inputs": inputs}
        self.graph.add(MergeLayer.model_validate(layer))
        return ours(name)

    def take(self, name: str) -> Tensor:
        """Take a tensor of the file; raises ModelError if it is missing."""
        if name not in self.tensors:
            raise ModelError(
                f"{self.source} lacks {name!r}, which every UltraFace has: it is another network"
            )
        return self.tensors.pop(name)


def ours(name: str) -> str:
    """Replace dots in the name of a layer: they would split the names of its weights."""
    return name.replace(".", "_")


def _recipe_for(graph: GraphWriter, name: str, place: str) -> Recipe:
    """Build the recipe of `fd_config.py`, with 1,500 candidates as in `detect_imgs.py`."""
    shapes = [[(side / WIDTH, side / HEIGHT) for side in level] for level in MIN_BOXES]
    model: dict[str, Any] = {
        "input": (HEIGHT, WIDTH),
        "resize": "opencv",
        "pixels": {"mean": (127,) * 3, "std": (128,) * 3},
        "backbone": graph.settings(name),
        "heads": {"kernels": graph.kernels},
        "priors": {"shapes_unit": shapes, "clip": "centre"},
        "results": {"score_threshold": 0.01, "iou_threshold": 0.3, "top_k": 1500, "keep": 750},
    }
    return recipe_from({"model": model, "training": FINE_TUNING}, source=place)
