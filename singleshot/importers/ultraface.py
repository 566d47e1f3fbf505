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
    Predictor,
    batch_norm_as_scale,
)
from singleshot.recipes.load import recipe_from
from singleshot.recipes.schema import Recipe

__all__ = ["looks_like", "read_ultraface"]

HEIGHT, WIDTH = 240, 320
MIN_BOXES = ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))  # pixels, squares
LAST_BLOCKS = (7, 10, 12)  # of the three levels in `base_net`
STRIDES = (2, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1)  # of each block of `base_net`
RFB = 7  # the block that has branches, in the network of that name
DILATIONS = (2, 3, 5)  # at the end of each branch
EPSILON = 1e-5  # PyTorch's batch norm


def looks_like(state: Mapping[str, Tensor]) -> bool:
    """Whether these tensors have UltraFace's names and the size of its first convolution."""
    first = state.get("base_net.0.0.weight")
    return first is not None and len(first) == 16 and "regression_headers.0.2.weight" in state


def read_ultraface(path: Path) -> Checkpoint:
    """The detector in a file of its training, slim or RFB, for images of 320 × 240.

    The class is called "face". Raises ModelError for a file of another network.
    """
    network = UltraFace(read_state_dict(path), str(path))
    network.write()
    if left := sorted(network.tensors):
        raise ModelError(f"{path}: has {left[0]!r}, which UltraFace has not: of another network")
    recipe = recipe_for(network.graph, f"ultraface-{network.variant}", str(path))
    assert isinstance(recipe.model, SsdSettings)
    checkpoint = Checkpoint(network.graph.state(), recipe, ("face",), metrics={})
    backbone = GraphBackbone(network.graph.settings(f"ultraface-{network.variant}"))
    checkpoint.restore(Ssd(backbone, ("face",), recipe.model), str(path))
    return checkpoint


@dataclass
class UltraFace:
    """The network as it is written down; tensors are taken out one by one."""

    tensors: dict[str, Tensor]
    place: str
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
        """All layers, then the predictors of the four levels."""
        feature, levels = IMAGE, []
        for block, stride in enumerate(STRIDES):
            if block == RFB and self.variant == "rfb":
                feature = self.rfb(feature)
            else:
                feature = self.block(block, feature, stride)
            levels += [feature] if block in LAST_BLOCKS else []
        levels.append(self.extra(feature))
        for level, feature in enumerate(levels):
            self.graph.predict(
                self.predictor(f"regression_headers.{level}", feature),
                self.predictor(f"classification_headers.{level}", feature),
            )
        self.graph.fold_scales()

    def block(self, block: int, feature: str, stride: int) -> str:
        """3 × 3 and, but for the first block, 1 × 1; each with batch norm and ReLU."""
        prefix = f"base_net.{block}"
        feature = self.normalised(f"{prefix}.0", f"{prefix}.1", feature, stride)
        feature = self.relu(feature)
        if block == 0:
            return feature
        return self.relu(self.normalised(f"{prefix}.3", f"{prefix}.4", feature))

    def rfb(self, feature: str) -> str:
        """Three branches joined, and a short cut added; the published scale between them is 1."""
        branches = tuple(self.branch(number, feature) for number in range(len(DILATIONS)))
        prefix = f"base_net.{RFB}"
        joined = self.merged(f"{prefix}.branches", "concat", branches)
        linear = self.part(f"{prefix}.ConvLinear", joined)
        shortcut = self.part(f"{prefix}.shortcut", feature)
        return self.relu(self.merged(f"{prefix}.sum", "add", (linear, shortcut)))

    def branch(self, number: int, feature: str) -> str:
        """1 × 1, then 3 × 3 with ReLU, twice in the last branch, then 3 × 3 with dilation."""
        prefix = f"base_net.{RFB}.branch{number}"
        feature = self.part(f"{prefix}.0", feature)
        last = 3 if number == 2 else 2
        for layer in range(1, last):
            feature = self.relu(self.part(f"{prefix}.{layer}", feature))
        return self.part(f"{prefix}.{last}", feature, dilation=DILATIONS[number])

    def part(self, prefix: str, feature: str, *, dilation: int = 1) -> str:
        """A convolution and its batch norm (`BasicConv`)."""
        return self.normalised(f"{prefix}.conv", f"{prefix}.bn", feature, dilation=dilation)

    def extra(self, feature: str) -> str:
        """The level on top: 1 × 1, then depthwise and 1 × 1."""
        feature = self.relu(self.convolution("extras.0.0", feature))
        feature = self.relu(self.convolution("extras.0.2.0", feature, stride=2))
        return self.relu(self.convolution("extras.0.2.2", feature))

    def predictor(self, prefix: str, feature: str) -> Predictor:
        """Separable but on the last level."""
        if f"{prefix}.weight" in self.tensors:
            return Predictor(feature, self.take(f"{prefix}.weight"), self.take(f"{prefix}.bias"))
        feature = self.relu(self.convolution(f"{prefix}.0", feature))
        return Predictor(feature, self.take(f"{prefix}.2.weight"), self.take(f"{prefix}.2.bias"))

    def normalised(
        self, convolution: str, norm: str, feature: str, stride: int = 1, *, dilation: int = 1
    ) -> str:
        """A convolution without bias, and its batch norm."""
        feature = self.convolution(convolution, feature, stride, dilation=dilation)
        kinds = ("running_mean", "running_var", "weight", "bias")
        mean, variance, *learned = (self.take(f"{norm}.{kind}") for kind in kinds)
        weights = batch_norm_as_scale(mean, variance, EPSILON, learned)
        self.graph.add(ScaleLayer(name=ours(norm), input=feature), weights)
        return ours(norm)

    def convolution(self, prefix: str, feature: str, stride: int = 1, *, dilation: int = 1) -> str:
        """Depthwise where it looks at one channel; the map keeps its size but for the stride."""
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

    def relu(self, feature: str) -> str:
        """After any layer."""
        self.graph.add(ReluLayer(name=f"{feature}_relu", input=feature))
        return f"{feature}_relu"

    def merged(self, name: str, operation: str, inputs: tuple[str, ...]) -> str:
        """The sum or the channels of several."""
        layer = {"name": ours(name), "operation": operation, "inputs": inputs}
        self.graph.add(MergeLayer.model_validate(layer))
        return ours(name)

    def take(self, name: str) -> Tensor:
        """A tensor of the file."""
        if name not in self.tensors:
            raise ModelError(
                f"{self.place}: lacks {name!r}, which UltraFace has: of another network"
            )
        return self.tensors.pop(name)


def ours(name: str) -> str:
    """A dot would split the names of the weights."""
    return name.replace(".", "_")


def recipe_for(graph: GraphWriter, name: str, place: str) -> Recipe:
    """Pixels, priors and thresholds of `fd_config.py`; 1,500 candidates as in `detect_imgs.py`."""
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
    return recipe_from({"model": model, "training": FINE_TUNING}, place=place)
