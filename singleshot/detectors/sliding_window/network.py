"""A classifier that is applied everywhere: at every place, scale and aspect ratio.

Windows over histograms of oriented gradients with a linear classifier are the detector of Dalal and
Triggs 2005; a convolutional classifier that runs over whole images is OverFeat's (Sermanet et al.
2014, §3.5). Both are one thing: what is fully connected over a window of the feature map is a
convolution over the map, whose output has the classifier's answer for each window.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.backbones.backbone import Backbone, grids
from singleshot.backbones.initial import caffe_xavier
from singleshot.detectors.common.baseline import Baseline, pixels_of
from singleshot.detectors.common.resize import resize
from singleshot.detectors.detector import Losses, Prepared
from singleshot.detectors.sliding_window.loss import window_losses
from singleshot.detectors.sliding_window.settings import SlidingWindowSettings
from singleshot.errors import ModelError
from singleshot.structures import Batch, Detections

__all__ = ["Copy", "SlidingWindow"]

FURTHER = 256  # pixels; all strides divide it


@dataclass(frozen=True, slots=True)
class Copy:
    """The image at one scale and aspect ratio, and the windows over it; all (down, across)."""

    size: tuple[int, int]  # pixels
    grid: tuple[int, int]  # windows
    stride: tuple[float, float]  # pixels between windows
    object: tuple[int, int]  # pixels of a window without its margins

    def __len__(self) -> int:
        return self.grid[0] * self.grid[1]

    def boxes_unit(self) -> Float[Tensor, "windows 4"]:
        """Where each window expects its object, row by row; fractions of the image."""
        (rows, columns), (height, width) = self.grid, self.size
        (down, across), (tall, wide) = self.stride, self.object
        corners = [
            (row * down, column * across) for row, column in product(range(rows), range(columns))
        ]
        boxes = torch.tensor([(x, y, x + wide, y + tall) for y, x in corners], dtype=torch.float64)
        return (boxes / torch.tensor([width, height] * 2)).float()


class SlidingWindow(Baseline):
    """Copies of the image, a feature map of each, and a classifier over it."""

    settings: SlidingWindowSettings
    windows: Float[Tensor, "windows 4"]

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: SlidingWindowSettings
    ) -> None:
        super().__init__(class_names, pixels_of(settings, backbone.pixel_mean, backbone.pixel_std))
        self.settings = settings
        self.backbone = backbone
        height, width = settings.window
        self.border = round(settings.margin * height), round(settings.margin * width)
        self.kernel = self.grid_of(settings.window)
        self.copies = list(self.all_copies())
        if not self.copies:
            raise ModelError(
                f"model.window = {list(settings.window)} fits into no copy of an image of "
                f"{list(settings.input)}: smaller model.scales or a larger model.input may help"
            )
        background = settings.classifier == "softmax"
        self.heads = classifier(
            [backbone.channels[-1], *settings.fully_connected, background + len(class_names)],
            self.kernel,
            settings.dropout,
        )
        rows, columns = settings.input
        boxes_unit = torch.cat([copy.boxes_unit() for copy in self.copies])
        boxes = boxes_unit * torch.tensor([columns, rows] * 2)
        # They follow from the recipe: a checkpoint need not hold them.
        self.register_buffer("windows", boxes, persistent=False)

    @property
    def num_boxes(self) -> int:
        """One for each window."""
        return len(self.windows)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What is computed once for all windows, and the classifier."""
        return {"backbone": self.backbone, "heads": self.heads}

    def grid_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of the feature map of an image of (height, width)."""
        return grids(self.backbone, torch.zeros(1, 3, *size))[-1]

    def all_copies(self) -> Iterator[Copy]:
        """Those that hold a window at least, largest first."""
        settings, (rows, columns) = self.settings, self.kernel
        (height, width), (top, left) = settings.window, self.border
        further = self.grid_of((height + FURTHER, width + FURTHER))
        stride = FURTHER / (further[0] - rows), FURTHER / (further[1] - columns)
        inside = height - 2 * top, width - 2 * left
        for scale, ratio in product(sorted(settings.scales), settings.aspect_ratios):
            size = copy_size(settings.input, scale, ratio)
            if size[0] >= inside[0] and size[1] >= inside[1]:
                found = self.grid_of((size[0] + 2 * top, size[1] + 2 * left))
                grid = found[0] - rows + 1, found[1] - columns + 1
                yield Copy(size, grid, stride, inside)

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b windows columns"]:
        """What the classifier says at each window, copy by copy and row by row."""
        whole = images.round().byte() if images.is_floating_point() else images
        # All at first, so that the time of the network is the network's alone.
        copies = [self.copied(whole, copy) for copy in self.copies]
        found = []
        for copy in [self.normalised(copy) for copy in copies]:
            features = self.backbone(copy)[-1]
            found.append(self.heads(features).flatten(start_dim=2).transpose(1, 2))
        return torch.cat(found, dim=1)

    def copied(
        self, images: UInt8[Tensor, "b 3 h w"], copy: Copy
    ) -> Float[Tensor, "b 3 rows columns"]:
        """Images at the size of a copy, and a border: objects at the edge have a margin, too."""
        top, left = self.border
        resized = torch.stack([resize(image, copy.size, "antialias") for image in images])
        return F.pad(resized, (left, left, top, top), mode="replicate")

    def losses(self, batch: Batch, prepared: Prepared | None = None) -> Losses:
        """The classifier's loss at windows of objects and the hardest windows of background."""
        del prepared
        logits = self(batch.images).float()
        return window_losses(logits, self.windows, batch.truths, self.settings)

    def scored(self, images: Float[Tensor, "b 3 h w"]) -> list[Detections]:
        """The best windows of every class.

        The margin of a linear classifier becomes a score by the logistic function (Platt 1999, with
        nothing fitted).
        """
        logits = self(images).float()
        if self.settings.classifier == "svm":
            scores = logits.sigmoid()
        else:
            scores = logits.softmax(dim=2)[:, :, 1:]
        number = self.settings.results.top_k
        return [best_windows(of_image, self.windows, number) for of_image in scores]


def best_windows(
    scores: Float[Tensor, "windows classes"], windows: Float[Tensor, "windows 4"], number: int
) -> Detections:
    """So many of each class."""
    best = scores.topk(min(number, len(scores)), dim=0)
    labels = torch.arange(scores.shape[1], device=scores.device).expand_as(best.indices)
    return Detections(windows[best.indices.flatten()], best.values.flatten(), labels.flatten())


def copy_size(size: tuple[int, int], scale: float, ratio: float) -> tuple[int, int]:
    """(height, width) of the copy in which objects so much larger and wider are as the window."""
    height, width = size
    return round(height / scale * ratio**0.5), round(width / scale / ratio**0.5)


def classifier(widths: Sequence[int], window: tuple[int, int], dropout: float) -> nn.Sequential:
    """Fully connected layers over a window of the feature map, as convolutions over the map."""
    layers: list[nn.Module] = []
    kernel = window
    for before, after in pairwise(widths):
        layers += [nn.Dropout2d(dropout), nn.Conv2d(before, after, kernel), nn.ReLU(inplace=True)]
        kernel = (1, 1)
    # Logits are of either sign.
    return nn.Sequential(*layers[:-1]).apply(caffe_xavier)
