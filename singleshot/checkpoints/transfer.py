"""Start a detector from another one: what fits is carried over, class outputs by class name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_

import torch
from torch import Tensor, nn

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.common.class_names import coco_name
from singleshot.detectors.detector import TrainableDetector
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.settings import HeadSettings, SsdSettings
from singleshot.errors import ModelError

__all__ = ["Start", "Transfer"]


@dataclass(frozen=True)
class Transfer:
    """What a detector took from another, and what it must learn anew."""

    carried: int  # tensors that were taken
    tensors: int  # of the detector
    classes: tuple[str, ...]  # whose outputs were taken
    new_classes: tuple[str, ...]
    new: tuple[str, ...]  # tensors that the other has not, or of another shape

    def __str__(self) -> str:
        """For a person: a sentence or three."""
        classes = f"classes kept: {listed(self.classes)}; new: {listed(self.new_classes)}"
        text = f"{self.carried} of {self.tensors} tensors carried over; {classes}"
        return f"{text}; new tensors: {listed(self.new)}" if self.new else text


@dataclass(frozen=True)
class Start:
    """A detector to begin from."""

    checkpoint: Checkpoint
    place: str  # where it was found, for messages

    def fill(self, detector: TrainableDetector) -> Transfer:
        """Copy into a detector what this one has under the same name and in the same shape.

        The last convolution of each class output goes row by row: the rows of a class of the same
        name, and of the background. Raises ModelError unless the whole backbone fits. Only an SSD
        tells its class outputs apart: others take them only where all classes are the same.
        """
        self.require_kind(detector)
        theirs, wanted = self.checkpoint.weights, detector.state_dict()
        outputs = list(class_outputs(detector)) if isinstance(detector, Ssd) else []
        whole = {
            name: tensor
            for name, tensor in theirs.items()
            if name in wanted and name not in outputs and tensor.shape == wanted[name].shape
        }
        self.require_backbone(wanted, whole)
        by_class = rows_by_class(self.checkpoint, detector) if isinstance(detector, Ssd) else {}
        detector.load_state_dict({**whole, **by_class}, strict=False)
        shared = [coco_name(name) for name in self.checkpoint.class_names] if by_class else []
        known = [coco_name(name) in shared for name in detector.class_names]
        return Transfer(
            carried=len(whole) + len(by_class),
            tensors=len(wanted),
            classes=tuple(compress(detector.class_names, known)),
            new_classes=tuple(compress(detector.class_names, map(not_, known))),
            new=tuple(name for name in wanted if name not in whole and name not in by_class),
        )

    def require_kind(self, detector: TrainableDetector) -> None:
        """Layers of one name do different things in detectors of different kinds."""
        theirs, ours = self.checkpoint.recipe.model.kind, detector.settings.kind
        if theirs != ours:
            raise ModelError(
                f"{self.place}: a detector of the kind {theirs!r}, and the recipe's is {ours!r}; "
                f"start from one of the same kind"
            )

    def require_backbone(self, wanted: Mapping[str, Tensor], carried: Mapping[str, Tensor]) -> None:
        """A convolution with another's weights and without its batch norm would say nothing."""
        ours = [name for name in wanted if name.startswith("backbone.")]
        layers = {name.rpartition(".")[0] for name in ours}
        lacking = [f"no {name} of this shape" for name in ours if name not in carried]
        # What is folded in the one and not in the other shows as a bias on one side.
        beyond = [
            f"{name}, which this recipe's has not"
            for name in self.checkpoint.weights
            if name not in wanted and name.rpartition(".")[0] in layers
        ]
        if lacking or beyond:
            backbone = self.checkpoint.recipe.model.backbone
            raise ModelError(
                f"{self.place}: its backbone ({backbone.name}) does not fit: it has "
                f"{(lacking + beyond)[0]}; train with its own recipe, or one whose model.backbone "
                f"has the same name, frozen_stride and batch_norm"
            )


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of the class outputs that mean the same in two detectors."""

    ours: Tensor
    theirs: Tensor
    num_ours: int
    num_theirs: int


def rows_by_class(start: Checkpoint, detector: Ssd) -> dict[str, Tensor]:
    """Class outputs of which classes of the same name are the other detector's."""
    theirs, ours = start.weights, detector.state_dict()
    columns = shared_columns(start, detector)
    return {
        name: with_rows(ours[name], theirs[name], columns)
        for name in class_outputs(detector)
        if name in theirs and fits(ours[name], theirs[name], columns)
    }


def shared_columns(start: Checkpoint, detector: Ssd) -> Columns:
    """Classes of one name, and the background where both have one."""
    settings = start.recipe.model
    assert isinstance(settings, SsdSettings)
    ours = columns_of(detector.class_names, detector.settings.heads)
    theirs = columns_of(start.class_names, settings.heads)
    shared = [name for name in ours if name in theirs]
    return Columns(
        torch.tensor([ours.index(name) for name in shared], dtype=torch.int64),
        torch.tensor([theirs.index(name) for name in shared], dtype=torch.int64),
        len(ours),
        len(theirs),
    )


def columns_of(class_names: Sequence[str], heads: HeadSettings) -> list[str | int | None]:
    """What each column of the class outputs stands for; None: the background, a number: nothing."""
    names = [coco_name(name) for name in class_names]
    return [None, *names, *range(heads.unused_columns)] if heads.scores == "softmax" else [*names]


def class_outputs(detector: Ssd) -> Iterator[str]:
    """Names of the tensors whose rows are classes: of the last convolution of each class output."""
    for level, head in enumerate(detector.heads.logits):
        layers = [(name, m) for name, m in head.named_modules() if isinstance(m, nn.Conv2d)]
        name, convolution = layers[-1]
        prefix = ".".join(filter(None, ["heads.logits", str(level), name]))
        yield from (f"{prefix}.{kind}" for kind, _ in convolution.named_parameters())


def fits(ours: Tensor, theirs: Tensor, columns: Columns) -> bool:
    """As many priors at a place, and the same convolution behind each."""
    priors = ours.shape[0] // columns.num_ours, theirs.shape[0] // columns.num_theirs
    return priors[0] == priors[1] and ours.shape[1:] == theirs.shape[1:]


def with_rows(ours: Tensor, theirs: Tensor, columns: Columns) -> Tensor:
    """Rows of shared columns from the other detector; rows run prior by prior, then by column."""
    mixed = ours.clone().reshape(-1, columns.num_ours, *ours.shape[1:])
    source = theirs.reshape(-1, columns.num_theirs, *theirs.shape[1:])
    mixed[:, columns.ours] = source[:, columns.theirs].to(mixed)
    return mixed.reshape(ours.shape)


def listed(names: tuple[str, ...], most: int = 6) -> str:
    """The first few, and how many more there are."""
    if not names:
        return "none"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
