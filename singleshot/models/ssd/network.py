"""The SSD: backbone, pyramid and heads over a fixed set of priors (paper §2)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from singleshot.boxes.convert import to_corners, to_unit
from singleshot.boxes.iou import pairwise_iou
from singleshot.errors import ModelError
from singleshot.models.backbones.backbone import Backbone, grids
from singleshot.models.ssd import BACKGROUND
from singleshot.models.ssd.heads import Heads
from singleshot.models.ssd.loss import Targets, multibox_loss
from singleshot.models.ssd.matching import UNMATCHED, match
from singleshot.models.ssd.offsets import encode
from singleshot.models.ssd.priors import prior_boxes, prior_levels
from singleshot.models.ssd.pyramid import Pyramid
from singleshot.models.ssd.resize import resize
from singleshot.models.ssd.results import detections
from singleshot.recipes.model import ModelSettings, PixelSettings
from singleshot.structures import Batch, Detections, Losses, Truth

__all__ = ["Ssd"]


class Ssd(nn.Module):
    """Single Shot MultiBox Detector; a `Trainable`."""

    priors_cxcywh_unit: Float[Tensor, "priors 4"]
    pixel_mean: Float[Tensor, "3 1 1"]
    pixel_std: Float[Tensor, "3 1 1"]

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: ModelSettings
    ) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.settings = settings
        self.backbone = backbone
        self.pyramid = Pyramid(backbone.channels, settings.pyramid)
        self.levels = prior_levels(self.level_grids(), settings.priors, settings.input)
        self.heads = Heads(
            self.pyramid.channels,
            [level.num_priors_per_cell for level in self.levels],
            len(class_names),
            settings.heads,
        )
        pixels = settings.pixels or PixelSettings(mean=backbone.pixel_mean, std=backbone.pixel_std)
        priors = prior_boxes(self.levels, settings.input, settings.priors.clip)
        for name, values in (
            ("priors_cxcywh_unit", priors),
            ("pixel_mean", torch.tensor(pixels.mean)[:, None, None]),
            ("pixel_std", torch.tensor(pixels.std)[:, None, None]),
        ):
            # They follow from the recipe: a checkpoint need not hold them.
            self.register_buffer(name, values, persistent=False)

    def level_grids(self) -> list[tuple[int, int]]:
        """(rows, columns) of each level, found by trial."""
        maps = nn.Sequential(self.backbone, self.pyramid)
        try:
            return grids(maps, torch.zeros(1, 3, *self.settings.input))
        except (RuntimeError, AssertionError) as error:  # timm asserts the sizes it can take
            raise ModelError(
                f"the network cannot take model.input = {list(self.settings.input)}: {error}; a "
                f"larger input, fewer model.pyramid.extra or another backbone may help"
            ) from error

    def forward(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors columns"]]:
        """Offsets and logits of RGB pictures of the input size, with values from 0 to 255."""
        normalised = (images - self.pixel_mean) / self.pixel_std
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        outputs: tuple[Tensor, Tensor] = self.heads(self.pyramid(self.backbone(normalised)))
        return outputs

    def losses(self, batch: Batch) -> Losses:
        """The MultiBox loss of pictures of the input size."""
        offsets, logits = self(batch.images)
        matching = self.settings.matching
        return multibox_loss(
            offsets.float(),
            logits.float(),
            self.targets(batch.truths),
            negatives_per_positive=matching.negatives_per_positive,
            min_negatives=matching.min_negatives,
        )

    @torch.no_grad()
    def targets(self, truths: Sequence[Truth]) -> Targets:
        """What each prior should say."""
        device = self.priors_cxcywh_unit.device
        packed = padded([truth[~truth.crowd] for truth in truths])
        boxes, labels = (tensor.to(device, non_blocking=True) for tensor in packed)
        boxes_unit = to_unit(boxes, self.settings.input)
        iou = pairwise_iou(boxes_unit, to_corners(self.priors_cxcywh_unit))
        matches = match(iou, self.settings.matching.iou_threshold)
        image, prior = (matches != UNMATCHED).nonzero(as_tuple=True)
        truth = matches[image, prior]
        columns = torch.full_like(matches, BACKGROUND)
        columns[image, prior] = labels[image, truth] + BACKGROUND + 1
        scales = self.settings.priors.offset_scales
        offsets = encode(boxes_unit[image, truth], self.priors_cxcywh_unit[prior], scales)
        return Targets(columns, offsets)

    @torch.inference_mode()
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Findings for each picture, boxes in its own pixels; sizes may differ."""
        assert not self.training, "batch norm would use the statistics of these very pictures"
        if not images:
            return []
        offsets, logits = self(self.resized(images))
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        return detections(
            offsets.float(), logits.float(), self.priors_cxcywh_unit, sizes, self.settings
        )

    def resized(
        self, images: Sequence[UInt8[Tensor, "3 _h _w"]]
    ) -> Float[Tensor, "b 3 rows columns"]:
        """Pictures at the input size; their aspect ratio is not kept, as in the paper."""
        device, settings = self.pixel_mean.device, self.settings
        return torch.stack(
            [resize(image.to(device), settings.input, settings.resize) for image in images]
        )


def padded(truths: Sequence[Truth]) -> tuple[Float[Tensor, "b n 4"], Int[Tensor, "b n"]]:
    """Boxes and labels of a batch, filled up with boxes of zeros, which overlap nothing."""
    # One row at least, so that a batch without objects needs no path of its own.
    empty = truths[0].boxes.new_zeros(1, 4), truths[0].labels.new_zeros(1)
    boxes = [empty[0], *(truth.boxes for truth in truths)]
    labels = [empty[1], *(truth.labels for truth in truths)]
    pad = nn.utils.rnn.pad_sequence
    return pad(boxes, batch_first=True)[1:], pad(labels, batch_first=True)[1:]
