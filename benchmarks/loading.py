"""Training samples per second of one core, beside torchvision's reference preset for SSD.

Both draw 300 × 300 samples of the same images in turns, from the JPEG files and, ours, from the
cache of decoded images; torchvision's is `references/detection/presets.py`, which reads with Pillow
and changes Pillow's images, its default and fastest backend. Its resizing, there a part of the
model, is added to it; ours is the recipe's augmentation. Times are of the processor.
Each is measured in a process of its own with one thread (python -m benchmarks.loading measure).
"""

import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torchvision.transforms.v2 as transforms
from PIL import Image
from torchvision import tv_tensors

from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.batching import AugmentedImages, Draw
from singleshot.data.cache.memory import cache_images
from singleshot.data.dataset import DataSet
from singleshot.data.opening import open_dataset
from singleshot.recipes.load import load_recipe

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
DATA_SETS = ("bccd", "voc2012_100")
NUM_IMAGES, ROUNDS = 100, 7
FILL = (123, 117, 104)
SIZE = (300, 300)


def main() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.loading", "measure"]
    print("| images | size | | a sample | samples per second | of torchvision's (range) |")
    print("|---|---|---|---|---|---|")
    subprocess.run(command, env=environment, check=True)


def measure(name: str) -> None:
    dataset = open_dataset(Path(os.environ.get("SINGLESHOT_SHARED", SHARED)) / "data" / name)
    dataset = dataset.subset(range(min(len(dataset), NUM_IMAGES)), description=name)
    width, height = (round(side) for side in mean_size(dataset))
    preset = torchvision_preset()
    augmentation = Augmentation.of(load_recipe("ssd300-vgg16").augmentation, SIZE, FILL)
    cached = cache_images(dataset, 0.3, lambda _: None)
    works: dict[str, Callable[[int, int], object]] = {
        "torchvision": lambda _, index: torchvision_sample(dataset, index, preset),
        "ours, from JPEG": draws_of(AugmentedImages(dataset, augmentation, seed=0)),
        "ours, cached": draws_of(AugmentedImages(cached, augmentation, seed=0)),
    }
    times = in_turns(list(works.values()), len(dataset))
    for work, milliseconds in zip(works, times, strict=True):
        ratios = [theirs / ours for theirs, ours in zip(times[0], milliseconds, strict=True)]
        median = statistics.median(milliseconds)
        print(
            f"| {name} | {width} × {height} | {work} | {median:.2f} ms | {1000 / median:.0f} "
            f"| {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) |",
            flush=True,
        )


def mean_size(dataset: DataSet) -> tuple[float, float]:
    sizes = [Image.open(path).size for path in dataset.paths]
    width, height = (statistics.mean(sides) for sides in zip(*sizes, strict=True))
    return width, height


def in_turns(works: Sequence[Callable[[int, int], object]], number: int) -> list[list[float]]:
    """Time an epoch of each work in each round, in milliseconds a sample; the first warms up."""
    times: list[list[float]] = [[] for _ in works]
    for epoch in range(ROUNDS + 1):
        for work, own in zip(works, times, strict=True):
            start = time.process_time()
            for index in range(number):
                work(epoch, index)
            own.append(1000 * (time.process_time() - start) / number)
    return [own[1:] for own in times]


def draws_of(images: AugmentedImages) -> Callable[[int, int], object]:
    return lambda epoch, index: images[Draw(epoch, index)]


def torchvision_preset() -> transforms.Compose:
    fill = defaultdict(lambda: FILL, {tv_tensors.Mask: 0})
    return transforms.Compose(
        [
            transforms.RandomPhotometricDistort(),
            transforms.RandomZoomOut(fill=fill),
            transforms.RandomIoUCrop(),
            transforms.RandomHorizontalFlip(0.5),
            transforms.Resize(SIZE, antialias=True),
            transforms.PILToTensor(),
            transforms.ConvertBoundingBoxFormat(tv_tensors.BoundingBoxFormat.XYXY),
            transforms.SanitizeBoundingBoxes(),
            transforms.ToPureTensor(),
        ]
    )


def torchvision_sample(dataset: DataSet, index: int, preset: transforms.Compose) -> object:
    """Read and vary an image as its reference script does; bytes are not turned into floats."""
    image = Image.open(dataset.paths[index]).convert("RGB")
    truth = dataset.truth(index)
    size = (image.height, image.width)
    boxes = tv_tensors.BoundingBoxes(truth.boxes, format="XYXY", canvas_size=size)
    return preset(image, {"boxes": boxes, "labels": truth.labels})


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for one in DATA_SETS:
        measure(one)
