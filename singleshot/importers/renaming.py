"""Renaming the tensors of a foreign file to our names, layer by layer, until none is left."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from singleshot.errors import ModelError

__all__ = ["Layer", "Renaming"]

Layer = tuple[str, str]  # names of a convolution and of the batch norm after it


class Renaming:
    """Moves tensors from their names in a file to ours."""

    def __init__(self, theirs: Mapping[str, Tensor], source: str, kind: str) -> None:
        """Start with all tensors; errors name the file `source` and the expected `kind`."""
        self.theirs = dict(theirs)  # not yet renamed
        self.source = source
        self.kind = kind
        self.ours: dict[str, Tensor] = {}

    def rename_tensor(self, theirs: str, ours: str) -> None:
        """Rename one tensor; raises ModelError if there is none of this name."""
        if theirs not in self.theirs:
            raise ModelError(
                f"{self.source} lacks {theirs!r}, so it is no complete {self.kind}; give the file "
                f"that its training saved"
            )
        self.ours[ours] = self.theirs.pop(theirs)

    def rename_convolution(self, theirs: str, ours: str) -> None:
        """Rename a convolution with a bias."""
        self.rename_tensor(f"{theirs}.weight", f"{ours}.weight")
        self.rename_tensor(f"{theirs}.bias", f"{ours}.bias")

    def rename_conv_norm(self, theirs: Layer, ours: Layer) -> None:
        """Rename a convolution and the batch norm after it.

        Ours has no bias there; subtracted from the mean, theirs has the same effect.
        """
        self.rename_tensor(f"{theirs[0]}.weight", f"{ours[0]}.weight")
        self.rename_batch_norm(theirs[1], ours[1])
        if (bias := self.theirs.pop(f"{theirs[0]}.bias", None)) is not None:
            mean = f"{ours[1]}.running_mean"
            self.ours[mean] = self.ours[mean] - bias

    def rename_conv_norms(
        self, theirs: str, ours: str, layers: Iterable[tuple[Layer, Layer]]
    ) -> None:
        """Rename several below a prefix, each given by their names and ours."""
        for (convolution, norm), (our_convolution, our_norm) in layers:
            self.rename_conv_norm(
                (f"{theirs}.{convolution}", f"{theirs}.{norm}"),
                (f"{ours}.{our_convolution}", f"{ours}.{our_norm}"),
            )

    def rename_batch_norm(self, theirs: str, ours: str) -> None:
        """Rename a batch norm; files from before PyTorch 0.4.1 do not count batches."""
        for part in ("weight", "bias", "running_mean", "running_var"):
            self.rename_tensor(f"{theirs}.{part}", f"{ours}.{part}")
        num_batches = self.theirs.pop(f"{theirs}.num_batches_tracked", torch.tensor(0))
        self.ours[f"{ours}.num_batches_tracked"] = num_batches

    def num_classes(self, level: int) -> int:
        """Count the classes without background, from a level whose heads are convolutions."""
        offsets, logits = (
            self.ours[f"heads.{part}.{level}.bias"] for part in ("offsets", "logits")
        )
        return 4 * len(logits) // len(offsets) - 1

    def finish(self) -> dict[str, Tensor]:
        """Return all tensors under our names; raises ModelError if the file has more."""
        if self.theirs:
            raise ModelError(
                f"{self.source} has {next(iter(self.theirs))!r}, which no {self.kind} has: it is "
                f"of another architecture"
            )
        return self.ours
