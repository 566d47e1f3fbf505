"""Darknet's `.weights` and `.conv.N` files: a header, then the numbers of all layers in a row.

pjreddie/darknet, src/parser.c, `load_weights_upto`. Such a file does not name its numbers:
they belong to the layers in order.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from singleshot.backbones.backbone import LoadedWeights
from singleshot.backbones.darknet import DarknetBackbone
from singleshot.backbones.darknet_layers import DarknetConvolution
from singleshot.errors import ModelError

__all__ = ["WeightFile", "fill_backbone", "tensors_of"]

NUMBER = 4  # bytes
VERSION = 12  # bytes of major, minor and revision, before the number of images seen
SHORT_HEADER, LONG_HEADER = 16, 20  # that one in 32 or in 64 bits
VERSIONS = {(0, 1), (0, 2)}
UNVERSIONED = 1000  # a version above this is none: the file is from before there were any


class WeightFile:
    """The numbers of a Darknet file, read from first to last."""

    def __init__(self, path: Path) -> None:
        """Read the header; raises ModelError for any other kind of file."""
        self.path = path
        self.taken = 0
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                version = np.frombuffer(file.read(VERSION), dtype="<i4")
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: not readable as Darknet's weights: {error}") from error
        if len(version) < VERSION // NUMBER:
            raise ModelError(f"{path}: {self.size} bytes are too few for a Darknet file")
        major, minor, revision = (int(number) for number in version)
        # In such files, fully connected layers have a row for each input.
        self.transposed = major > UNVERSIONED or minor > UNVERSIONED
        if not self.transposed and (major, minor) not in VERSIONS:
            raise ModelError(
                f"{path}: its header has version {major}.{minor}.{revision}; Darknet writes 0.1 "
                f"and 0.2: it is of another kind, or damaged"
            )
        self.header = LONG_HEADER if (major, minor) == (0, 2) else SHORT_HEADER

    def expect(self, number: int) -> None:
        """Correct the length of the header by the number of values that should follow.

        Builds of Darknet for 32 bits write a short header with version 0.2, too, so that only the
        length of the file distinguishes them.
        """
        header = self.size - NUMBER * number
        # But not of a file that lacks its last number: a large count of images is half zeros.
        if header == LONG_HEADER or (header == SHORT_HEADER and not self.counts_in_64_bits()):
            self.header = header

    def counts_in_64_bits(self) -> bool:
        """Check whether a short header is followed by the upper half of a number of images."""
        with self.path.open("rb") as file:
            file.seek(SHORT_HEADER)
            return self.header == LONG_HEADER and file.read(NUMBER) == bytes(NUMBER)

    @property
    def num_left(self) -> int:
        """The count of numbers that have not been read yet."""
        return (self.size - self.header) // NUMBER - self.taken

    def fill(self, layer: nn.Module, name: str) -> None:
        """Copy the next numbers into a layer.

        Raises ModelError, naming the layer, if too few are left, or if they are not finite.
        """
        for tensor in tensors_of(layer):
            if tensor.numel() > self.num_left:
                raise ModelError(
                    f"{self.path} ends within {name}, which needs {tensor.numel():,} numbers where "
                    f"{max(self.num_left, 0):,} are left; it is truncated, or of another network"
                )
            place = self.header + NUMBER * self.taken
            numbers = np.fromfile(self.path, "<f4", tensor.numel(), offset=place)
            _copy(tensor, torch.from_numpy(numbers.astype(np.float32)), transposed=self.transposed)
            self.taken += tensor.numel()
        if not _is_valid(layer):
            raise ModelError(
                f"{self.path}: {name} has numbers that are not finite, or variances below 0; it is "
                f"damaged, or of another network"
            )

    def require_end(self) -> None:
        """Raise ModelError if numbers are left: the file is another network's."""
        surplus = self.size - self.header - NUMBER * self.taken
        if surplus:
            raise ModelError(
                f"{self.path}: {surplus:,} bytes are left after the last layer; it is damaged, or "
                f"of another network"
            )


def tensors_of(layer: nn.Module) -> list[Tensor]:
    """List the tensors of a layer in the order of a file.

    Biases, then scales, means and variances of a batch norm, then weights
    (`load_convolutional_weights`, `load_connected_weights`).
    """
    norms: list[Tensor] = []
    if isinstance(layer, DarknetConvolution):
        if layer.norm is not None:
            assert layer.norm.running_mean is not None
            assert layer.norm.running_var is not None
            norms = [layer.norm.weight, layer.norm.running_mean, layer.norm.running_var]
        return [layer.bias, *norms, layer.convolution.weight]
    bias, weight = layer.bias, layer.weight
    assert isinstance(bias, Tensor)
    assert isinstance(weight, Tensor)
    return [bias, weight]


def _is_valid(layer: nn.Module) -> bool:
    """Check that all numbers are finite and variances not negative."""
    finite = all(bool(tensor.isfinite().all()) for tensor in tensors_of(layer))
    if not isinstance(layer, DarknetConvolution) or layer.norm is None:
        return finite
    assert layer.norm.running_var is not None
    return finite and bool((layer.norm.running_var >= 0).all())


@torch.no_grad()
def _copy(tensor: Tensor, numbers: Tensor, *, transposed: bool) -> None:
    """Copy numbers in the order of memory; those of a fully connected layer may be transposed."""
    if transposed and tensor.dim() == 2:
        tensor.copy_(numbers.view(tensor.shape[1], tensor.shape[0]).T)
        return
    tensor.copy_(numbers.view(tensor.shape))


def fill_backbone(backbone: DarknetBackbone, path: Path) -> LoadedWeights:
    """Fill a backbone from the first layers of a file; more may follow, as in a detector's."""
    blocks = {
        f"layer {number}": layer
        for number, layer in enumerate(backbone.layers)
        if isinstance(layer, DarknetConvolution)
    }
    file = WeightFile(path)
    file.expect(sum(tensor.numel() for block in blocks.values() for tensor in tensors_of(block)))
    for name, block in blocks.items():
        file.fill(block, name)
    left = (f"{file.num_left:,} numbers after {list(blocks)[-1]}",) if file.num_left else ()
    return LoadedWeights(str(path), sum(len(tensors_of(block)) for block in blocks.values()), left)
