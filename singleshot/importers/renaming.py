"""Tensors from someone else's names to ours, one layer at a time, until none is left."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from singleshot.errors import ModelError

__all__ = ["Layer", "Renaming"]

Layer = tuple[str, str]  # names of a convolution and of the batch norm after it


class Renaming:
    """Takes the tensors of a file out by name, and keeps them under ours."""

    def __init__(self, theirs: Mapping[str, Tensor], place: str, kind: str) -> None:
        """`place` and `kind` are what errors call the file, and what it should be."""
        self.left = dict(theirs)
        self.place = place
        self.kind = kind
        self.ours: dict[str, Tensor] = {}

    def tensor(self, theirs: str, ours: str) -> None:
        """One tensor; raises ModelError if there is none of this name."""
        if theirs not in self.left:
            raise ModelError(
                f"{self.place} lacks {theirs!r}, so it is no complete {self.kind}; give the file "
                f"that its training saved"
            )
        self.ours[ours] = self.left.pop(theirs)

    def convolution(self, theirs: str, ours: str) -> None:
        """A convolution with a bias."""
        self.tensor(f"{theirs}.weight", f"{ours}.weight")
        self.tensor(f"{theirs}.bias", f"{ours}.bias")

    def normalised(self, theirs: Layer, ours: Layer) -> None:
        """A convolution and the batch norm after it.

        Ours has no bias there; subtracted from the mean, theirs has the same effect.
        """
        self.tensor(f"{theirs[0]}.weight", f"{ours[0]}.weight")
        self.batch_norm(theirs[1], ours[1])
        if (bias := self.left.pop(f"{theirs[0]}.bias", None)) is not None:
            mean = f"{ours[1]}.running_mean"
            self.ours[mean] = self.ours[mean] - bias

    def pairs(self, theirs: str, ours: str, layers: Iterable[tuple[Layer, Layer]]) -> None:
        """Such layers below a prefix, each under their names and under ours."""
        for (convolution, norm), (our_convolution, our_norm) in layers:
            self.normalised(
                (f"{theirs}.{convolution}", f"{theirs}.{norm}"),
                (f"{ours}.{our_convolution}", f"{ours}.{our_norm}"),
            )

    def batch_norm(self, theirs: str, ours: str) -> None:
        """A batch norm; files from before PyTorch 0.4.1 do not count batches."""
        for part in ("weight", "bias", "running_mean", "running_var"):
            self.tensor(f"{theirs}.{part}", f"{ours}.{part}")
        counted = self.left.pop(f"{theirs}.num_batches_tracked", torch.tensor(0))
        self.ours[f"{ours}.num_batches_tracked"] = counted

    def num_classes(self, level: int) -> int:
        """Without the background, by the heads of a level, which must be plain convolutions."""
        offsets, logits = (
            self.ours[f"heads.{part}.{level}.bias"] for part in ("offsets", "logits")
        )
        return 4 * len(logits) // len(offsets) - 1

    def finished(self) -> dict[str, Tensor]:
        """All tensors under our names; raises ModelError if the file has more."""
        if self.left:
            raise ModelError(
                f"{self.place} has {next(iter(self.left))!r}, which no {self.kind} has: it is of "
                f"another architecture"
            )
        return self.ours
