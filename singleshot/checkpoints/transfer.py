"""Start a detector from another one: copy the layers that fit, class outputs by class name."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.common.class_names import coco_name
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError, near_names, some_of

__all__ = ["TrainedDetector", "Transfer"]


@dataclass(frozen=True)
class Transfer:
    """Tensors and classes that a detector took from another, and those that are new."""

    carried: int  # tensors that were copied
    tensors: int  # of the detector
    classes: Mapping[str, str]  # whose outputs were copied, and the other's classes they are of
    nearest: Mapping[str, str]  # new classes, and the other's classes whose outputs they begin with
    new_classes: tuple[str, ...]  # that begin with the mean of all classes' outputs
    new: tuple[str, ...]  # tensors that the other lacks, or has in another shape

    def __str__(self) -> str:
        """Describe the transfer in a line."""
        parts = [
            f"{self.carried} of {self.tensors} tensors carried over",
            f"classes kept: {some_of(_as_pairs(self.classes)) if self.classes else 'none'}",
        ]
        if self.nearest:
            parts.append(f"new, from the nearest class: {some_of(_as_pairs(self.nearest))}")
        if self.new_classes:
            parts.append(f"new: {some_of(self.new_classes)}")
        if self.new:
            parts.append(f"new tensors: {some_of(self.new)}")
        return "; ".join(parts)


def _as_pairs(sources: Mapping[str, str]) -> list[str]:
    """Name each class, and the one it comes from where that has another name."""
    return [ours if ours == theirs else f"{ours} from {theirs}" for ours, theirs in sources.items()]


@dataclass(frozen=True)
class TrainedDetector:
    """A trained detector, to start another from or to distil."""

    checkpoint: Checkpoint
    source: str  # its path or name, for messages

    def transfer_to(
        self,
        detector: TrainableDetector,
        class_map: Mapping[str, str] | None = None,
        nearest: Mapping[str, str] | None = None,
    ) -> Transfer:
        """Copy layers of the same name and shapes into a detector.

        A layer of which one tensor does not fit begins anew: its bias means nothing without its
        weight.

        Tensors with a row for each class are copied row by row: the rows of classes of the same
        name, and of the background. Rows of new classes become the mean of all classes' rows:
        random ones would answer at every prior. A detector without such tensors takes its class
        outputs only where their shapes are equal, and keeps the classes if they are in order.

        Args:
            detector: the one to fill.
            class_map: classes of `detector` that are classes of this one under another name.
            nearest: new classes of `detector`, and the classes of this one to begin with.

        Raises:
            ModelError: the backbone does not fit as a whole, or this one lacks a class.
        """
        self.require_kind(detector)
        ours, same_shape = detector.state_dict(), self.tensors_of_same_shape(detector)
        self.require_backbone(ours, same_shape)
        whole = _whole_layers(same_shape, ours.keys() - detector.class_tensors())
        kept = self.same_classes(detector.class_names, class_map or {})
        begun = {name: other for name, other in (nearest or {}).items() if name not in kept}
        by_class = self.merge_class_rows(detector, {**begun, **kept})
        detector.load_state_dict({**whole, **by_class}, strict=False)
        if not by_class:
            begun = {}
            kept = kept if self.keeps_outputs(detector, kept) else {}
        return Transfer(
            carried=len(whole) + len(by_class),
            tensors=len(ours),
            classes=kept,
            nearest=begun,
            new_classes=tuple(
                name for name in detector.class_names if name not in {**kept, **begun}
            ),
            new=tuple(name for name in ours if name not in whole and name not in by_class),
        )

    def keeps_outputs(self, detector: TrainableDetector, kept: Mapping[str, str]) -> bool:
        """Return whether a detector takes over all outputs for the classes that it keeps.

        Where levels, or priors at a cell, are others, the outputs of them begin anew. A detector
        without a row for each class takes them over as a whole, for all classes in their order.
        """
        if by_row := detector.class_tensors():
            return {*self.merge_class_rows(detector, {})} == {*by_row}
        in_order = [kept.get(name) for name in detector.class_names]
        return (
            in_order == [*self.checkpoint.class_names]
            and self.tensors_of_same_shape(detector).keys() == detector.state_dict().keys()
        )

    def tensors_of_same_shape(self, detector: TrainableDetector) -> dict[str, Tensor]:
        """Find the tensors that a detector has by the same name and shape, none by class."""
        ours, by_row = detector.state_dict(), detector.class_tensors()
        return {
            name: tensor
            for name, tensor in self.checkpoint.weights.items()
            if name in ours and name not in by_row and tensor.shape == ours[name].shape
        }

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
        layers = {_layer_of(name) for name in backbone}
        lacking = [f"no {name} of this shape" for name in backbone if name not in carried]
        # A batch norm that is folded in only one of them shows as a bias of the other.
        beyond = [
            f"{name}, which this recipe's has not"
            for name in self.checkpoint.weights
            if name not in ours and _layer_of(name) in layers
        ]
        if lacking or beyond:
            settings = self.checkpoint.recipe.model.backbone
            raise ModelError(
                f"{self.source}: its backbone ({settings.name}) does not fit: it has "
                f"{(lacking + beyond)[0]}; train with its own recipe, or one whose model.backbone "
                f"has the same name, frozen_stride and batch_norm"
            )

    def same_classes(
        self, class_names: Sequence[str], class_map: Mapping[str, str]
    ) -> dict[str, str]:
        """Find the class of this detector that each class is, by the map or by name.

        VOC's and COCO's names of a class are the same. Raises ModelError for a class of the map
        that is not in `class_names`, or one that this detector has not.
        """
        theirs = {coco_name(name): name for name in self.checkpoint.class_names}
        for ours, other in class_map.items():
            _require_class(ours, class_names, f"--class-map {ours}={other}: the data have")
            _require_class(
                coco_name(other), theirs, f"--class-map {ours}={other}: {self.source} has"
            )
        expected = {name: coco_name(class_map.get(name, name)) for name in class_names}
        return {ours: theirs[name] for ours, name in expected.items() if name in theirs}

    def merge_class_rows(
        self, detector: TrainableDetector, sources: Mapping[str, str]
    ) -> dict[str, Tensor]:
        """Copy rows into the class outputs of a detector, by tensor.

        `sources` names the class of this detector that a class begins with.
        """
        theirs, ours = self.checkpoint.weights, detector.state_dict()
        columns = SharedColumns.of(
            detector.settings.class_columns(detector.class_names),
            self.checkpoint.recipe.model.class_columns(self.checkpoint.class_names),
            sources,
        )
        by_row = detector.class_tensors()
        merged = {
            name: columns.merge(ours[name], theirs[name])
            for name in by_row
            if name in theirs and columns.fit(ours[name], theirs[name])
        }
        return _whole_layers(merged, by_row)


def _whole_layers(carried: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Leave out tensors of a layer of which others are not carried; `names` are of all tensors."""
    in_part = {_layer_of(name) for name in names if name not in carried}
    return {name: tensor for name, tensor in carried.items() if _layer_of(name) not in in_part}


def _layer_of(tensor_name: str) -> str:
    return tensor_name.rpartition(".")[0]


def _require_class(name: str, known: Collection[str], what: str) -> None:
    if name not in known:
        nearest = near_names(name, known)
        hint = f"did you mean {nearest}" if nearest else some_of(known)
        raise ModelError(f"{what} no class {name!r}; {hint}")


@dataclass(frozen=True, slots=True)
class SharedColumns:
    """Columns of the class outputs of a detector, and those of another that they begin with."""

    ours: Tensor
    theirs: Tensor
    num_ours: int
    num_theirs: int
    new: Tensor  # of ours: columns of classes that begin with the mean …
    classes: Tensor  # … of these columns of theirs

    @classmethod
    def of(
        cls,
        ours: Sequence[str | int | None],
        theirs: Sequence[str | int | None],
        sources: Mapping[str, str],
    ) -> "SharedColumns":
        """Pair columns by `sources`, and all that belong to no class by what they are."""
        expected = [sources.get(name) if isinstance(name, str) else name for name in ours]
        shared = [
            (index, theirs.index(name))
            for index, (own, name) in enumerate(zip(ours, expected, strict=True))
            if name in theirs and isinstance(own, str) == isinstance(name, str)
        ]
        new = [
            index
            for index, name in enumerate(ours)
            if isinstance(name, str) and name not in sources
        ]
        classes = [index for index, name in enumerate(theirs) if isinstance(name, str)]
        our_columns, their_columns = torch.tensor(shared, dtype=torch.int64).reshape(-1, 2).T
        return cls(
            our_columns,
            their_columns,
            len(ours),
            len(theirs),
            torch.tensor(new, dtype=torch.int64),
            torch.tensor(classes, dtype=torch.int64),
        )

    def fit(self, ours: Tensor, theirs: Tensor) -> bool:
        """Check that two tensors have as many priors at a cell, and rows of one shape."""
        priors = ours.shape[0] // self.num_ours, theirs.shape[0] // self.num_theirs
        return priors[0] == priors[1] and ours.shape[1:] == theirs.shape[1:]

    def merge(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Replace our rows of all classes; rows run prior by prior, then by column."""
        merged = ours.clone().reshape(-1, self.num_ours, *ours.shape[1:])
        source = theirs.reshape(-1, self.num_theirs, *theirs.shape[1:]).to(merged)
        merged[:, self.ours] = source[:, self.theirs]
        merged[:, self.new] = source[:, self.classes].mean(dim=1, keepdim=True)
        return merged.reshape(ours.shape)
