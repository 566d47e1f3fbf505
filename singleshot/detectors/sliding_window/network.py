"""A classifier applied to windows at every position, scale and aspect ratio, and its losses.

Windows over histograms of oriented gradients with a linear classifier are the detector of Dalal and
Triggs 2005; a convolutional classifier that runs over whole images is OverFeat's (Sermanet et al.
2014, §3.5). Both are one network: what is fully connected over a window of the feature map is a
convolution over the map, with an output for each window.

In training the hardest windows of background are found in the same images, at each step: Dalal and
Triggs 2005, §4, go through the training images once more for them; OverFeat uses "the most
offending ones" while it trains (Sermanet et al. 2014, §5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.backbones.backbone import Backbone, grids
from singleshot.backbones.initial import caffe_xavier
from singleshot.boxes.geometry import pairwise_iou
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.regions import BACKGROUND, IGNORED
from singleshot.detectors.common.resize import resize
from singleshot.detectors.common.single_size import InputOptions, SingleSizeDetector
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.sliding_window.settings import SlidingWindowSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections, Objects, Truth, objects_of

__all__ = [
    "ScaledCopy",
    "SlidingWindow",
    "WindowOptions",
    "WindowSampling",
    "hardest_windows",
    "hinge_losses",
    "size_of_copy",
    "window_labels",
    "window_losses",
]

FURTHER = 256  # pixels; all strides divide it


@dataclass(frozen=True, slots=True)
class ScaledCopy:
    """The image at one scale and aspect ratio, and the windows over it; pairs are (y, x)."""

    size: tuple[int, int]  # pixels
    grid: tuple[int, int]  # windows
    stride: tuple[float, float]  # pixels between windows
    object: tuple[int, int]  # pixels of a window without its margins

    def __len__(self) -> int:
        return self.grid[0] * self.grid[1]

    def boxes_unit(self) -> Float[Tensor, "windows 4"]:
        """Compute the box of each window without margins, row by row; fractions of the image."""
        (rows, columns), (height, width) = self.grid, self.size
        (down, across), (tall, wide) = self.stride, self.object
        corners = [
            (row * down, column * across) for row, column in product(range(rows), range(columns))
        ]
        boxes = torch.tensor([(x, y, x + wide, y + tall) for y, x in corners], dtype=torch.float64)
        return (boxes / torch.tensor([width, height] * 2)).float()


@dataclass(frozen=True, slots=True)
class WindowSampling:
    """Numbers that windows to train on are matched and sampled by."""

    object_iou: float = 0.6  # IoU from which a window is matched to an object
    background_iou: float = 0.3  # IoU below which it is background; others are ignored
    negatives_per_positive: float = 3.0
    min_negatives: int = 20

    @classmethod
    def from_settings(cls, settings: SlidingWindowSettings) -> WindowSampling:
        """Translate the table `model`."""
        return cls(
            settings.object_iou,
            settings.background_iou,
            settings.negatives_per_positive,
            settings.min_negatives,
        )


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """Size of the classifier's window, and of the copies of the image that it is applied to."""

    size: tuple[int, int]  # (height, width) in pixels
    scales: Sequence[float]  # sizes of objects relative to the window, a copy for each
    aspect_ratios: Sequence[float] = (1.0,)  # widths relative to the window, at the same area
    margin: float = 0.125  # on each side of the object, as a fraction of the window

    @classmethod
    def from_settings(cls, settings: SlidingWindowSettings) -> WindowOptions:
        """Translate the table `model`."""
        return cls(settings.window, settings.scales, settings.aspect_ratios, settings.margin)


Classifier = Literal["svm", "softmax"]
PAPER_SAMPLING = WindowSampling()


class SlidingWindow(SingleSizeDetector):
    """A detector by scaled copies of the image, a feature map of each, and a classifier over it."""

    windows: Float[Tensor, "windows 4"]

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        window: WindowOptions,
        *,
        classifier: Classifier,
        fully_connected: Sequence[int] = (),
        dropout: float = 0.0,
        sampling: WindowSampling = PAPER_SAMPLING,
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """Raises ModelError if the window fits into no copy of an image."""
        super().__init__(backbone, class_names, inputs, postprocessing=postprocessing)
        self.classifier: Classifier = classifier
        self.sampling = sampling
        height, width = window.size
        self.border = round(window.margin * height), round(window.margin * width)
        self.kernel = self.grid_of(window.size)
        self.copies = list(self._scaled_copies(window))
        if not self.copies:
            raise ModelError(
                f"model.window = {list(window.size)} fits into no copy of an image of "
                f"{list(inputs.size)}: smaller model.scales or a larger model.input may help"
            )
        background = classifier == "softmax"
        self.heads = _create_classifier(
            [backbone.channels[-1], *fully_connected, background + len(class_names)],
            self.kernel,
            dropout,
        )
        rows, columns = inputs.size
        boxes_unit = torch.cat([copy.boxes_unit() for copy in self.copies])
        boxes = boxes_unit * torch.tensor([columns, rows] * 2)
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("windows", boxes, persistent=False)

    @classmethod
    def from_settings(
        cls, settings: SlidingWindowSettings, backbone: Backbone, class_names: Sequence[str]
    ) -> SlidingWindow:
        """Build the detector of a recipe; weights other than the backbone's are random."""
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            WindowOptions.from_settings(settings),
            classifier=settings.classifier,
            fully_connected=settings.fully_connected,
            dropout=settings.dropout,
            sampling=WindowSampling.from_settings(settings),
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    @property
    def num_boxes(self) -> int:
        """One for each window."""
        return len(self.windows)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The backbone, and the classifier."""
        return {"backbone": self.backbone, "heads": self.heads}

    def grid_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Find (rows, columns) of the feature map of an image of (height, width)."""
        return grids(self.backbone, torch.zeros(1, 3, *size))[-1]

    def _scaled_copies(self, window: WindowOptions) -> Iterator[ScaledCopy]:
        """List the copies that hold at least one window, largest first."""
        rows, columns = self.kernel
        (height, width), (top, left) = window.size, self.border
        further = self.grid_of((height + FURTHER, width + FURTHER))
        stride = FURTHER / (further[0] - rows), FURTHER / (further[1] - columns)
        inside = height - 2 * top, width - 2 * left
        for scale, ratio in product(sorted(window.scales), window.aspect_ratios):
            size = size_of_copy(self.input_size, scale, ratio)
            if size[0] >= inside[0] and size[1] >= inside[1]:
                cells = self.grid_of((size[0] + 2 * top, size[1] + 2 * left))
                grid = cells[0] - rows + 1, cells[1] - columns + 1
                yield ScaledCopy(size, grid, stride, inside)

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b windows columns"]:
        """Compute logits of each window, copy by copy and row by row."""
        whole = images.round().byte() if images.is_floating_point() else images
        # All copies first, so that the time of the network can be measured by itself.
        copies = [self._make_copy(whole, copy) for copy in self.copies]
        logits = []
        for copy in [self.normalise(copy) for copy in copies]:
            features = self.backbone(copy)[-1]
            logits.append(self.heads(features).flatten(start_dim=2).transpose(1, 2))
        return torch.cat(logits, dim=1)

    def _make_copy(
        self, images: UInt8[Tensor, "b 3 h w"], copy: ScaledCopy
    ) -> Float[Tensor, "b 3 rows columns"]:
        """Resize images to a copy, with a border, so that objects at the edge have a margin."""
        top, left = self.border
        resized = torch.stack([resize(image, copy.size, "antialias") for image in images])
        return F.pad(resized, (left, left, top, top), mode="replicate")

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """The classifier's loss at windows of objects and the hardest windows of background."""
        del prepared
        logits = self(batch.images).float()
        return window_losses(logits, self.windows, batch.truths, self.classifier, self.sampling)

    def score_boxes(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """Score the best windows of every class.

        The margin of a linear classifier becomes a score by the logistic function (Platt 1999, with
        nothing fitted).
        """
        logits = self(images).float()
        is_svm = self.classifier == "svm"
        scores = logits.sigmoid() if is_svm else logits.softmax(dim=2)[:, :, 1:]
        number = self.postprocess_options.top_k
        return [_best_windows(of_image, self.windows, number) for of_image in scores]


def _best_windows(
    scores: Float[Tensor, "windows classes"], windows: Float[Tensor, "windows 4"], number: int
) -> Detections:
    """Select the `number` best windows of each class."""
    best = scores.topk(min(number, len(scores)), dim=0)
    labels = torch.arange(scores.shape[1], device=scores.device).expand_as(best.indices)
    return Detections(windows[best.indices.flatten()], best.values.flatten(), labels.flatten())


def size_of_copy(size: tuple[int, int], scale: float, ratio: float) -> tuple[int, int]:
    """Compute (height, width) of the copy in which such objects have the window's size."""
    height, width = size
    return round(height / scale * ratio**0.5), round(width / scale / ratio**0.5)


def _create_classifier(
    widths: Sequence[int], window: tuple[int, int], dropout: float
) -> nn.Sequential:
    """Create fully connected layers over a window of the feature map, as convolutions."""
    layers: list[nn.Module] = []
    kernel = window
    for before, after in pairwise(widths):
        layers += [nn.Dropout2d(dropout), nn.Conv2d(before, after, kernel), nn.ReLU(inplace=True)]
        kernel = (1, 1)
    # Logits are of either sign.
    return nn.Sequential(*layers[:-1]).apply(caffe_xavier)


def window_losses(
    logits: Float[Tensor, "b windows columns"],
    windows: Float[Tensor, "windows 4"],
    truths: Sequence[Truth],
    classifier: Classifier,
    sampling: WindowSampling,
) -> Losses:
    """Average the loss of sampled windows over those of an image, then over images.

    Windows are in pixels of the input. There is no localization loss: a window has no offsets.
    """
    losses, num_matches = [], 0
    for of_image, truth in zip(logits, truths, strict=True):
        labels = window_labels(windows, objects_of(truth, windows.device), sampling)
        match classifier:
            case "svm":
                each = hinge_losses(of_image, labels)
            case "softmax":
                # The first column is the background's.
                targets = labels.clamp(min=BACKGROUND)
                each = F.cross_entropy(of_image, targets, reduction="none")
            case _:
                assert_never(classifier)
        sampled = (labels > BACKGROUND) | hardest_windows(each.detach(), labels, sampling)
        losses.append((each * sampled).sum() / sampled.sum().clamp(min=1))
        num_matches += int((labels > BACKGROUND).sum())
    sums = {"classification": torch.stack(losses).sum()}
    return Losses.of(sums, weight=len(truths), num_matches=num_matches)


def window_labels(
    windows: Float[Tensor, "windows 4"], objects: Objects, sampling: WindowSampling
) -> Int[Tensor, " windows"]:
    """Match windows to objects: a label, counted from 1, BACKGROUND or IGNORED.

    A window is matched to the object it overlaps most; each object has the window that overlaps it
    most, unless it overlaps them all as little as background.
    """
    labels = torch.full((len(windows),), BACKGROUND, device=windows.device)
    if not len(objects.labels):
        return labels
    overlap = pairwise_iou(windows, objects.boxes)
    most, nearest = overlap.max(dim=1)
    touched = most >= sampling.background_iou
    favourite = (overlap == overlap.amax(dim=0)).any(dim=1)
    learns = touched & (favourite | (most >= sampling.object_iou))
    labels[touched] = IGNORED
    return torch.where(learns, objects.labels[nearest] + 1, labels)


def hardest_windows(
    losses: Float[Tensor, " windows"],
    labels: Int[Tensor, " windows"],
    sampling: WindowSampling,
) -> Bool[Tensor, " windows"]:
    """Mark the windows of background with the highest loss."""
    background = labels == BACKGROUND
    budget = round(sampling.negatives_per_positive * int((labels > BACKGROUND).sum()))
    number = min(max(budget, sampling.min_negatives), int(background.sum()))
    hardest = losses.masked_fill(~background, -math.inf).topk(number).indices
    return torch.zeros_like(background).index_fill(0, hardest, value=True)


def hinge_losses(
    margins: Float[Tensor, "windows classes"], labels: Int[Tensor, " windows"]
) -> Float[Tensor, " windows"]:
    """Add up max(0, 1 - y · margin) over classes; y is 1 for the window's class, else -1."""
    classes = torch.arange(margins.shape[1], device=margins.device)
    sign = torch.where(labels[:, None] - 1 == classes, 1.0, -1.0)
    return (1 - sign * margins).clamp(min=0).sum(dim=1)
