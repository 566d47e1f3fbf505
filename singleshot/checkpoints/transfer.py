"""Start a detector from another one: copy the tensors that fit, class outputs by class name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_

import torch
from torch import Tensor

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.common.class_names import coco_name
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError, some_of

__all__ = ["TrainedDetector", "Transfer"]


@dataclass(frozen=True)
class Transfer:
    """Tensors and classes that a detector took from another, and those that are new."""

    carried: int  # tensors that were copied
    tensors: int  # of the detector
    classes: tuple[str, ...]  # whose outputs were copied
    new_classes: tuple[str, ...]
    new: tuple[str, ...]  # tensors that the other lacks, or has in another shape

    def __str__(self) -> str:
        """Describe the transfer in a line."""
        kept, new = (_some_or_none(names) for names in (self.classes, self.new_classes))
        text = f"{self.carried} of {self.tensors} tensors carried over; "
        text += f"classes kept: {kept}; new: {new}"
        return f"{text}; new tensors: {some_of(self.new)}" if self.new else text


def _some_or_none(names: Sequence[str]) -> str:
    return some_of(names) if names else "none"


@dataclass(frozen=True)
class TrainedDetector:
    """A trained detector, to start another from or to distil."""

    checkpoint: Checkpoint
    source: str  # its path or name, for messages

    def transfer_to(self, detector: TrainableDetector) -> Transfer:
        """Copy tensors of the same name and shape into a detector.

        Tensors with a row for each class are copied row by row: the rows of classes of the same
        name, and of the background. A detector without such tensors takes its class outputs only
        where their shapes are equal. Raises ModelError unless the whole backbone fits.
        """
        self.require_kind(detector)
        theirs, ours = self.checkpoint.weights, detector.state_dict()
        by_row = detector.class_tensors()
        whole = {
            name: tensor
            for name, tensor in theirs.items()
            if name in ours and name not in by_row and tensor.shape == ours[name].shape
        }
        self.require_backbone(ours, whole)
        by_class = self.merge_class_rows(detector)
        detector.load_state_dict({**whole, **by_class}, strict=False)
        shared = [coco_name(name) for name in self.checkpoint.class_names] if by_class else []
        known = [coco_name(name) in shared for name in detector.class_names]
        return Transfer(
            carried=len(whole) + len(by_class),
            tensors=len(ours),
            classes=tuple(compress(detector.class_names, known)),
            new_classes=tuple(compress(detector.class_names, map(not_, known))),
            new=tuple(name for name in ours if name not in whole and name not in by_class),
        )

    def require_kind(self, detector: TrainableDetector) -> None:
        """Check the kind: layers of one name have different uses in other kinds of detectors."""
        theirs, ours = self.checkpoint.recipe.model.kind, detector.settings.kind
        if theirs != ours:
            raise ModelError(
                f"{self.source}: a detector of the kind {theirs!r}, and the recipe's is {ours!r}; "
                f"start from one of the same kind"
            )

    def require_backbone(self, ours: Mapping[str, Tensor], carried: Mapping[str, Tensor]) -> None:
        """Check that the backbone fits: without its batch norm a convolution computes nonsense."""
        backbone = [name for name in ours if name.startswith("backbone.")]
        layers = {name.rpartition(".")[0] for name in backbone}
        lacking = [f"no {name} of this shape" for name in backbone if name not in carried]
        # A batch norm that is folded in only one of them shows as a bias of the other.
        beyond = [
            f"{name}, which this recipe's has not"
            for name in self.checkpoint.weights
            if name not in ours and name.rpartition(".")[0] in layers
        ]
        if lacking or beyond:
            settings = self.checkpoint.recipe.model.backbone
            raise ModelError(
                f"{self.source}: its backbone ({settings.name}) does not fit: it has "
                f"{(lacking + beyond)[0]}; train with its own recipe, or one whose model.backbone "
                f"has the same name, frozen_stride and batch_norm"
            )

    def merge_class_rows(self, detector: TrainableDetector) -> dict[str, Tensor]:
        """Copy the rows of shared classes into the class outputs of a detector, by tensor."""
        theirs, ours = self.checkpoint.weights, detector.state_dict()
        columns = SharedColumns.of(
            detector.settings.class_columns(detector.class_names),
            self.checkpoint.recipe.model.class_columns(self.checkpoint.class_names),
        )
        return {
            name: columns.merge(ours[name], theirs[name])
            for name in detector.class_tensors()
            if name in theirs and columns.fit(ours[name], theirs[name])
        }


@dataclass(frozen=True, slots=True)
class SharedColumns:
    """Columns of the class outputs that belong to the same classes in two detectors."""

    ours: Tensor
    theirs: Tensor
    num_ours: int
    num_theirs: int

    @classmethod
    def of(
        cls, ours: Sequence[str | int | None], theirs: Sequence[str | int | None]
    ) -> "SharedColumns":
        """Pair columns by class name, and the backgrounds where both have one."""
        our_names, their_names = (
            [coco_name(name) if isinstance(name, str) else name for name in names]
            for names in (ours, theirs)
        )
        shared = [name for name in our_names if name in their_names]
        return cls(
            torch.tensor([our_names.index(name) for name in shared], dtype=torch.int64),
            torch.tensor([their_names.index(name) for name in shared], dtype=torch.int64),
            len(ours),
            len(theirs),
        )

    def fit(self, ours: Tensor, theirs: Tensor) -> bool:
        """Check that two tensors have as many priors at a cell, and rows of one shape."""
        priors = ours.shape[0] // self.num_ours, theirs.shape[0] // self.num_theirs
        return priors[0] == priors[1] and ours.shape[1:] == theirs.shape[1:]

    def merge(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Replace our rows of shared columns; rows run prior by prior, then by column."""
        merged = ours.clone().reshape(-1, self.num_ours, *ours.shape[1:])
        source = theirs.reshape(-1, self.num_theirs, *theirs.shape[1:])
        merged[:, self.ours] = source[:, self.theirs].to(merged)
        return merged.reshape(ours.shape)
