"""torchvision's reference training of a detector, beside which ours is timed.

The loop, the loader and the presets of `references/detection` in pytorch/vision, rewritten with
the functions of torchvision itself: its images come from Pillow, vary in `transforms.v2`, and are
resized and normalised in the model. All layers learn, from random weights.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
from torchvision import tv_tensors
from torchvision.models import get_model
from torchvision.transforms import v2

from singleshot.data.dataset import DataSet

__all__ = ["ReferenceTraining"]

MEAN = (123.0, 117.0, 104.0)  # what an image is zoomed out onto
STEPS = 10_000  # more than are ever taken

Target = dict[str, Tensor]


class VariedImages(Dataset[tuple[Tensor, Target]]):
    """Images with transforms; annotations are in memory, as pycocotools keeps them."""

    def __init__(self, images: DataSet, transform: v2.Transform) -> None:
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        image = Image.open(self.images.paths[index]).convert("RGB")
        truth = self.images.truth(index)
        size = (image.height, image.width)
        boxes = tv_tensors.BoundingBoxes(truth.boxes, format="XYXY", canvas_size=size)
        varied: tuple[Tensor, Target]
        varied = self.transform(image, {"boxes": boxes, "labels": 1 + truth.labels})
        return varied


class ReferenceTraining:
    """A model of torchvision with its optimizer and loader."""

    def __init__(self, name: str, images: DataSet, *, batch_size: int, workers: int) -> None:
        """Build "ssd300_vgg16" or "ssdlite320_mobilenet_v3_large"."""
        columns = 1 + len(images.class_names)
        self.model = get_model(name, weights=None, weights_backbone=None, num_classes=columns)
        self.model.train()
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=5e-4)
        varied = VariedImages(images, preset(colours_and_zoom=name == "ssd300_vgg16"))
        order = RandomSampler(varied, num_samples=STEPS * batch_size)
        self.loader = DataLoader(
            varied,
            batch_sampler=BatchSampler(order, batch_size, drop_last=True),
            num_workers=workers,
            collate_fn=collate,
            # The preset holds a lambda, which no other way to start a process can hand over.
            multiprocessing_context="fork" if workers else None,
        )

    def step(self, batch: tuple[Sequence[Tensor], Sequence[Target]]) -> None:
        """Take the step of `train_one_epoch`, without its meters."""
        images, targets = batch
        losses: dict[str, Tensor] = self.model(list(images), list(targets))
        total = torch.stack(list(losses.values())).sum()
        assert math.isfinite(total.item())
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()


def preset(*, colours_and_zoom: bool) -> v2.Transform:
    """Build `DetectionPresetTrain`, "ssd" or "ssdlite", for images from Pillow."""
    first: list[v2.Transform] = []
    if colours_and_zoom:
        fill = defaultdict(lambda: MEAN, {tv_tensors.Mask: 0})
        first = [v2.RandomPhotometricDistort(), v2.RandomZoomOut(fill=fill)]
    return v2.Compose(
        [
            *first,
            v2.RandomIoUCrop(),
            v2.RandomHorizontalFlip(p=0.5),
            v2.ToImage(),
            v2.ToDtype(torch.float, scale=True),
            v2.ConvertBoundingBoxFormat(tv_tensors.BoundingBoxFormat.XYXY),
            v2.SanitizeBoundingBoxes(),
            v2.ToPureTensor(),
        ]
    )


def collate(samples: list[Any]) -> tuple[Any, ...]:
    return tuple(zip(*samples, strict=True))
