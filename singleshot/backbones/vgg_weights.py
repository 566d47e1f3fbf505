"""ImageNet's VGG16 as the start of an SSD: its features, and fc6 and fc7 decimated.

The authors start from `VGG_ILSVRC_16_layers_fc_reduced.caffemodel`: "net surgery on original VGG16
[…] by converting fc6 and fc7 […] to convolutional layer, and subsample the parameters from them,
following what DeepLab did" (weiliu89/caffe, issue 258). amdegroot's `vgg16_reducedfc.pth` is that
file for PyTorch. Both are taken as they are; of a whole VGG16 the same layers are made here.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from singleshot.backbones.backbone import LoadedWeights
from singleshot.backbones.caffe_weights import read_caffemodel
from singleshot.backbones.settings import VggPixels
from singleshot.backbones.vgg import CONVOLUTIONS, Vgg16
from singleshot.backbones.weights import fill, read_state_dict
from singleshot.errors import ModelError

__all__ = ["decimate_fc6", "decimate_fc7", "load_vgg16"]

BLOCKS = (2, 2, 3, 3, 3)  # convolutions of each
CAFFE_CONVOLUTIONS = [
    f"conv{block}_{number}"
    for block, count in enumerate(BLOCKS, start=1)
    for number in range(1, count + 1)
]
FC6, FC7 = "fc.1", "fc.3"
# Names of layers in files, and here: of torchvision and timm, of amdegroot, of Caffe.
LAYERS = {
    **{f"features.{number}": f"features.{number}" for number in CONVOLUTIONS},
    **{str(number): f"features.{number}" for number in CONVOLUTIONS},
    **{
        name: f"features.{number}"
        for name, number in zip(CAFFE_CONVOLUTIONS, CONVOLUTIONS, strict=True)
    },
    **dict.fromkeys(("classifier.0", "pre_logits.fc1", "31", "fc6"), FC6),
    **dict.fromkeys(("classifier.3", "pre_logits.fc2", "33", "fc7"), FC7),
}
CLASS_LAYERS = ("classifier.6", "head.fc", "fc8")

# Of the whole VGG16: outputs of fc6 and fc7, and the map that fc6 sees.
OUTPUTS, CHANNELS, SIDE = 4096, 512, 7
KEPT_OUTPUT, KEPT_POSITION = 4, 3  # every 4th and every 3rd


class _File(NamedTuple):
    """The tensors of a file under our names, the names of those of no use, and its pixels."""

    tensors: dict[str, Tensor]
    left_over: tuple[str, ...]
    pixels: VggPixels | None  # None: the file does not tell


def load_vgg16(vgg: Vgg16, path: Path) -> LoadedWeights:
    """Fill a VGG16 from a file of any of the known kinds.

    These are amdegroot's `vgg16_reducedfc.pth`, a caffemodel of the authors' reduced VGG16 or of
    the whole one, and torchvision's and timm's VGG16. Without fc6 and fc7 in it they stay random.
    Raises ModelError, naming the tensor, where one is missing, of another shape or of another
    network, or where the weights expect other pixels than the network gives them.
    """
    found = _read(path)
    if found.pixels not in {None, vgg.pixels}:
        raise ModelError(_other_pixels(path, vgg.pixels))
    tensors = _decimated(found.tensors)
    parts = {"features": vgg.features}
    if has_fc := any(name.startswith("fc.") for name in tensors):
        parts["fc"] = vgg.fc
    loaded = fill(nn.ModuleDict(parts), tensors, str(path))
    loaded = replace(loaded, left_over=found.left_over)
    return loaded if has_fc else loaded.without("fc6", "fc7")


def _read(path: Path) -> _File:
    is_caffe = path.suffix == ".caffemodel"
    found = _caffe_tensors(path) if is_caffe else read_state_dict(path)
    tensors: dict[str, Tensor] = {}
    left_over, fc_names = [], []
    for name, tensor in found.items():
        layer, _, kind = name.rpartition(".")
        if layer in CLASS_LAYERS:
            left_over.append(name)
            continue
        if layer not in LAYERS:
            raise ModelError(f"{path} has {name!r}, which no VGG16 has: it is of another network")
        if LAYERS[layer].startswith("fc."):
            fc_names.append(name)
        tensors[f"{LAYERS[layer]}.{kind}"] = tensor
    if not fc_names:
        return _File(tensors, tuple(left_over), "caffe" if is_caffe else None)
    # torchvision's IMAGENET1K_FEATURES has Caffe's features, and NaN in the fully connected layers.
    if any(bool(found[name].isnan().any()) for name in fc_names):
        features = {name: t for name, t in tensors.items() if not name.startswith("fc.")}
        return _File(features, (*fc_names, *left_over), "caffe")
    divided = fc_names[0].startswith(("classifier.", "pre_logits."))
    return _File(tensors, tuple(left_over), "torchvision" if divided else "caffe")


def _caffe_tensors(path: Path) -> dict[str, Tensor]:
    """Read a caffemodel's tensors as LAYER.weight and LAYER.bias, for RGB instead of BGR."""
    tensors: dict[str, Tensor] = {}
    for layer, blobs in read_caffemodel(path).blobs.items():
        for kind, blob in zip(("weight", "bias"), blobs, strict=False):
            tensors[f"{layer}.{kind}"] = blob.flatten() if kind == "bias" else blob
    first = f"{CAFFE_CONVOLUTIONS[0]}.weight"
    if first in tensors:
        tensors[first] = tensors[first].flip(1)
    return tensors


def _other_pixels(path: Path, ours: VggPixels) -> str:
    """Write the message about weights that were trained on pixels of another range."""
    if ours == "torchvision":
        return (
            f"{path}: these weights expect pixels that are not divided by their deviation; leave "
            f"out model.backbone.pixels = 'torchvision'"
        )
    return (
        f"{path}: these weights expect pixels divided by their deviation, the original's expect "
        f"them undivided; add --set model.backbone.pixels=torchvision, or give "
        f"vgg16_reducedfc.pth or torchvision's IMAGENET1K_FEATURES instead"
    )


def _decimated(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Reduce fc6 and fc7 of the whole VGG16; those of a reduced one stay."""
    reduced = dict(tensors)
    weight6, weight7 = (tensors.get(f"{layer}.weight") for layer in (FC6, FC7))
    if weight6 is not None and weight6.numel() == OUTPUTS * CHANNELS * SIDE**2:
        reduced[f"{FC6}.weight"] = decimate_fc6(weight6)
    if weight7 is not None and weight7.numel() == OUTPUTS**2:
        reduced[f"{FC7}.weight"] = decimate_fc7(weight7)
    for name in (f"{FC6}.bias", f"{FC7}.bias"):
        if name in tensors and len(tensors[name]) == OUTPUTS:
            reduced[name] = tensors[name][::KEPT_OUTPUT]
    return reduced


def decimate_fc6(weight: Float[Tensor, "..."]) -> Float[Tensor, "kept 512 3 3"]:
    """Keep every 4th output of fc6, and every 3rd row and column of the 7 × 7 cells it sees.

    Its inputs are the 512 channels of pool5, each row by row. On a map of twice the resolution the
    rows and columns that are left are 6 apart: the dilation of the convolution.
    """
    kernels = weight.reshape(-1, CHANNELS, SIDE, SIDE)
    return kernels[::KEPT_OUTPUT, :, ::KEPT_POSITION, ::KEPT_POSITION]


def decimate_fc7(weight: Float[Tensor, "..."]) -> Float[Tensor, "kept kept 1 1"]:
    """Keep every 4th output of fc7, and of its inputs those that fc6 keeps."""
    square = weight.reshape(math.isqrt(weight.numel()), -1)
    return square[::KEPT_OUTPUT, ::KEPT_OUTPUT, None, None]
