"""Images shrunk before they are cached (`training.cache_side`): what that saves and changes.

Training samples of shrunk images beside those of the same whole images, with the same crops and
without changes of colour; and the processor time to read an image. In place of photographs of 10
megapixels there are those of a data set, enlarged and with noise.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from benchmarks.corpus_data import shared_data
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.settings import PhotometricSettings
from singleshot.data.batching import AugmentedImages, Draw
from singleshot.data.cache.memory import shrink_images
from singleshot.data.cache.shrinking import shrink_truth
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.decoding import read_image
from singleshot.data.opening import open_dataset
from singleshot.recipes.load import load_recipe

NUM_IMAGES, NUM_SAMPLES = 40, 2
SIDES = (300, 450, 600)
PHONE_SET, PHONE_WIDTH, PHONE_SIDES, NOISE = "plates", 4000, (450, 600, 900), 4.0
FILL = (123, 117, 104)
SIZE = (300, 300)


def main() -> None:
    data = shared_data()
    print(
        "| images | shorter side | memory | ms to read | mean difference | 90 % below | largest |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in ("plates", "kangaroo"):
        measure(name, few_images(data / name), SIDES)
    with photographs(few_images(data / PHONE_SET)) as dataset:
        measure(f"{PHONE_SET}, {PHONE_WIDTH:,} wide", dataset, PHONE_SIDES)


def few_images(folder: Path) -> DataSet:
    dataset = open_dataset(folder)
    return dataset.subset(range(NUM_IMAGES), description=folder.name)


@contextmanager
def photographs(dataset: DataSet) -> Iterator[DataSet]:
    """Write the images, enlarged and with noise, to a folder that is deleted afterwards."""
    random = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        images = []
        for index, path in enumerate(dataset.paths):
            image = Image.fromarray(read_image(path).permute(1, 2, 0).numpy())
            scale = PHONE_WIDTH / image.width
            large = image.resize((PHONE_WIDTH, round(image.height * scale)))
            noisy = np.asarray(large) + random.normal(0, NOISE, (large.height, large.width, 3))
            written = Path(folder, f"{index}.jpg")
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(written, quality=88)
            sizes = (image.height, image.width), (large.height, large.width)
            images.append((written, shrink_truth(dataset.truth(index), *sizes)))
        yield DataSet.of(dataset.class_names, images, description="photographs")


def measure(name: str, dataset: DataSet, sides: tuple[int, ...]) -> None:
    """Print a row for the whole images, and one for each side."""
    whole, num_bytes, milliseconds = draw_samples(dataset, None)
    print(f"| {name} | whole | 100 % | {milliseconds:.1f} | | | |")
    for side in sides:
        shrunk, smaller, milliseconds = draw_samples(dataset, side)
        differences = (shrunk - whole).abs().mean(dim=(1, 2, 3))
        print(
            f"| | {side} | {100 * smaller / num_bytes:.0f} % | {milliseconds:.1f} "
            f"| {differences.mean():.2f} | {differences.quantile(0.9):.2f} "
            f"| {differences.max():.2f} |",
            flush=True,
        )


def draw_samples(
    dataset: DataSet, side: int | None
) -> tuple[Float[Tensor, "samples 3 h w"], int, float]:
    """Draw training samples; the bytes of all images, and milliseconds to read one."""
    images = shrink_images(dataset, side)
    start = time.process_time()
    num_bytes = sum(images[index].image.numel() for index in range(len(images)))
    milliseconds = 1000 * (time.process_time() - start) / len(images)
    settings = load_recipe("ssdlite320-lite0").augmentation.model_copy(
        update={"photometric": PhotometricSettings(probability=0)}
    )
    drawn = AugmentedImages(images, Augmentation.of(settings, SIZE, FILL), seed=0)
    draws = [Draw(epoch, index) for epoch in range(NUM_SAMPLES) for index in range(len(images))]
    return torch.stack([drawn[draw].image.float() for draw in draws]), num_bytes, milliseconds
