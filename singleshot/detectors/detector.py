"""The contract of every detector that can be trained, and the losses that training minimises.

A family gives the sums of its terms with the weight that they are divided by; `training.gradients`
divides by the weight of the whole batch. So normalisation is exact: the loss of a batch is the same
however the batch is shared among processes, and, where weights are known before the network runs,
cut into parts. They are not for an SSD with the rules "simota" and "task-aligned", whose matches
depend on outputs: there the losses of parts are averaged.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.data.image_files.inputs import Images, as_tensors
from singleshot.detectors.common.devices import halve_until_it_fits, require_device
from singleshot.detectors.common.pixels import Pixels
from singleshot.detectors.common.settings import DetectorSettings, PixelSettings
from singleshot.errors import ModelError, TooLittleMemory, some_of
from singleshot.options import takes
from singleshot.prediction.options import PredictionOptions
from singleshot.structures import Batch, Detections, Truth

if TYPE_CHECKING:
    from singleshot.detectors.common.exportable import Exportable
    from singleshot.detectors.common.priors import MinedNegatives, PriorLayout, PriorMatches
    from singleshot.metrics import OperatingPoint
    from singleshot.prediction.predict import Results
else:
    # A network does not need metrics and drawing, nor priors where it has none.
    Exportable = MinedNegatives = OperatingPoint = PriorLayout = PriorMatches = Results = Any

__all__ = ["LevelSummary", "Losses", "Objective", "Prepared", "TrainableDetector", "Weight"]

# Losses are divided by it: a number of images, of matches, or a sum of their weights.
Weight = float | Float[Tensor, ""]

# Called with a function for messages, or None.
ScoreThresholds = Callable[[Callable[[str], None] | None], OperatingPoint | None]


class Losses(NamedTuple):
    """Named terms of a loss: each a scalar sum over a batch, and the weight it is divided by.

    An SSD has "localization" and "classification", a YOLO "objectness" as well. Weights below 1
    count as 1, so that a batch without objects costs 0 rather than 0 / 0.
    """

    sums: Mapping[str, Tensor]
    weights: Mapping[str, Weight]
    num_matches: int  # priors, anchors, regions or cells trained on an object

    @classmethod
    def of(cls, sums: Mapping[str, Tensor], *, weight: Weight, num_matches: int) -> Losses:
        """Divide all terms by one weight."""
        return cls(sums, dict.fromkeys(sums, weight), num_matches)

    @property
    def terms(self) -> dict[str, Tensor]:
        """The terms, divided."""
        return {name: _divided(sum_, self.weights[name]) for name, sum_ in self.sums.items()}

    @property
    def total(self) -> Tensor:
        """The sum of all terms: the loss that is minimised."""
        return reduce(operator.add, self.terms.values())

    def with_term(self, name: str, sum_: Tensor, weight: Weight) -> Losses:
        """Add a term."""
        sums, weights = {**self.sums, name: sum_}, {**self.weights, name: weight}
        return self._replace(sums=sums, weights=weights)

    def with_weight(self, weight: Weight) -> Losses:
        """Divide all terms by another weight: that of the batch which these images are part of."""
        return self._replace(weights=dict.fromkeys(self.weights, weight))


def _divided(sum_: Tensor, weight: Weight) -> Tensor:
    return sum_ / (weight.clamp(min=1) if isinstance(weight, Tensor) else max(weight, 1))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Ground truth of some images, as far as it is matched on the host before the network runs.

    A family that matches beforehand extends it by its matches.
    """

    weight: float  # what the losses of these images are divided by

    def to(self, device: torch.device) -> Prepared:
        """Copy what the losses need to the device of the network."""
        del device
        return self


class Objective(nn.Module):
    """Losses to minimise: those of a detector, or of a student beside its teacher."""

    fixed_graph: ClassVar[bool] = False
    """Whether each step runs the same operations on all parameters, whatever images show.

    Then the time of a step can be measured on noise, and no parameter is ever left without a
    gradient. Not so where training has stages, or where regions are searched for.
    """

    def prepare(self, truths: Sequence[Truth]) -> Prepared | None:
        """Match on the host what can be matched without outputs, and weigh these images.

        Here nothing is matched, and the weight is the number of images: losses are means over
        images. None where the weight depends on the network's outputs: the weights of processes
        are then added up after the forward pass; parts of a batch are averaged, which is not exact
        where their weights differ.
        """
        return Prepared(len(truths))

    @abstractmethod
    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """Compute the terms to minimise; images are of the input size.

        `prepared` is what `prepare` gave for `batch.truths`, on the device of the images.
        """


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """One feature map, its priors and the channels of its heads."""

    grid: tuple[int, int]  # rows, columns
    stride: tuple[float, float]  # pixels between prior centres: down, across
    channels: int
    priors_per_cell: int
    box_channels: int  # outputs of the convolution of offsets: 4 for each prior
    class_channels: int  # of that of classes: the columns, background among them, of each prior


class TrainableDetector(Objective):
    """A detector that a recipe describes; called, it gives the network's raw outputs."""

    settings: DetectorSettings
    """The recipe's table `model`: set by `families.build_detector`, for every family.

    A detector that is built by hand trains and detects without it; summaries, distillation and
    transfer need it.
    """

    def __init__(self, class_names: Sequence[str], pixels: PixelSettings) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.pixels = Pixels(pixels.mean, pixels.std)

    source: Path | None = None
    """The checkpoint it was loaded from; set by `load`."""

    score_thresholds: ScoreThresholds | None = None
    """Loads the score thresholds chosen for these weights, which `predict` uses; set by `load`."""

    def __repr__(self) -> str:
        settings = getattr(self, "settings", None)
        kind = type(self).__name__ if settings is None else settings.kind
        size = (
            "any size" if settings is None else "{} x {} (height x width)".format(*settings.input)
        )
        parameters = sum(parameter.numel() for parameter in self.parameters())
        return (
            f"{kind} detector of {len(self.class_names)} classes: {some_of(self.class_names)}\n"
            f"input {size}, {parameters:,} parameters\n"
            f"on {self.pixel_mean.device}"
        )

    @property
    def pixel_mean(self) -> Float[Tensor, "3 1 1"]:
        """The mean that is subtracted from each channel, on the device of the network."""
        return self.pixels.mean

    def normalise(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """Normalise RGB images with values from 0 to 255 as the backbone expects them."""
        normalised: Tensor = self.pixels(images)
        return normalised

    @property
    @abstractmethod
    def num_boxes(self) -> int:
        """Boxes of an image of the input size that are scored, before NMS."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, nn.Module]:
        """The parts that `training.frozen` may name; "backbone" is one of them."""

    def class_tensors(self) -> Sequence[str]:
        """Name the tensors of the state dict whose rows belong to single classes.

        Rows run prior by prior, then by `settings.class_columns`. Transfer from a detector of other
        classes copies such rows by class name; here there are none.
        """
        return ()

    def level_summaries(self) -> Sequence[LevelSummary]:
        """Describe the feature maps with priors, finest first; here there are none."""
        return ()

    def exportable(self) -> Exportable | None:
        """Copy what exporters need; None, as here, without raw outputs at priors."""
        return None

    def prior_layout(self) -> PriorLayout | None:
        """Return the priors that objects are matched to, on the host; None without any, as here."""
        return None

    def match_objects(self, batch: Batch) -> PriorMatches | None:
        """Match objects to priors as the loss does; None without priors, as here.

        The network runs if the rule needs its outputs: then `prepare` gives None.
        """
        del batch
        return None

    def mine_negatives(self, batch: Batch) -> MinedNegatives | None:
        """Choose the priors that the loss trains as background, by the network's outputs.

        None where the loss does not choose them, as here.
        """
        del batch
        return None

    def enter(self, part: float) -> None:
        """Begin the stage of training that `part` (0 to 1) of the steps belongs to.

        Called before each step; here training has one stage.
        """

    @torch.inference_mode()
    def detect(self, images: Images) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image.

        Args:
            images: tensors (3, h, w) of type uint8, RGB; also one alone, a batch (b, 3, h, w), or
                NumPy arrays (h, w, 3), Pillow images and paths.

        Raises:
            DataError: an image is of another type or shape, or cannot be read.
            ModelError: the detector is in training mode.
            TooLittleMemory: the images do not fit into the memory of the GPU, but fewer may.
        """
        if self.training:
            # Batch norm would use the statistics of these very images.
            raise ModelError("the detector is in training mode; call .eval() before it detects")
        tensors = as_tensors(images)
        if not tensors:
            return []
        try:
            return self.detect_tensors(tensors)
        except torch.OutOfMemoryError:
            pass  # and releases the memory of this attempt
        fit = halve_until_it_fits(
            lambda number: self.detect_tensors(tensors[:number]), len(tensors)
        )
        remedy = f"{fit} fit: give fewer" if fit else "not even one fits: use a smaller model.input"
        raise TooLittleMemory(
            f"out of memory on {self.pixel_mean.device} with {len(tensors)} images at once; "
            f"{remedy}, end other programs on it, or compute on the device cpu",
            fit,
        )

    @takes(PredictionOptions)
    def predict(self, options: PredictionOptions) -> Results:
        """Detect objects in images, files, folders or videos; results have names, can be drawn.

        Images give a list. With a video, camera or stream among the sources it is an iterator,
        which reads on as results are taken, in constant memory.

        Raises:
            DataError: an image is missing, broken, or of another type or shape.
        """
        from singleshot.prediction.predict import predict_with  # noqa: PLC0415 (it draws)

        require_device(self.pixel_mean.device, options.device)
        return predict_with(self, options)

    @abstractmethod
    def detect_tensors(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Detect objects in one image or more, on any device; called by `detect`."""
