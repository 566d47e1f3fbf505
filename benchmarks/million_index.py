"""A million images with eight million boxes in shards: opening them, and memory with four workers.

The index is whole, the shards are empty: files of the right size without content. Memory is PSS,
in which what processes share counts once among them, and USS, what a process has for itself.

python -m benchmarks.million_index FOLDER {open,fork,spawn} measures one in a process of its own.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from singleshot.data.batching import Draw, Order
from singleshot.data.dataset import DataSet
from singleshot.data.formats.shards.index import Shard, save_index
from singleshot.data.formats.shards.names import INDEX, shard_name
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.opening import open_dataset
from singleshot.data.shuffling import ShardWindow
from singleshot.structures import Truth

NUM_IMAGES, BOXES_PER_IMAGE, NUM_CLASSES = 1_000_000, 8, 80
NUM_SHARDS, IMAGE_BYTES = 440, 112_000
WORKERS, BATCH_SIZE, EPOCHS, STEPS = 4, 256, 6, 300  # steps of each epoch that are drawn


def main() -> None:
    print("| | images | boxes | time | PSS of all | USS of a worker | bytes a box |")
    print("|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        write_index(Path(folder))
        for what in ("open", "fork", "spawn"):
            command = [sys.executable, "-m", "benchmarks.million_index", folder, what]
            print(run(command, check=True, capture_output=True, text=True).stdout, end="")


def write_index(folder: Path) -> None:
    random = torch.Generator().manual_seed(0)
    num_boxes = NUM_IMAGES * BOXES_PER_IMAGE
    corners = 400 * torch.rand(num_boxes, 2, generator=random, dtype=torch.float64)
    sides = 1 + 100 * torch.rand(num_boxes, 2, generator=random, dtype=torch.float64)
    none = torch.zeros(num_boxes, dtype=torch.bool)
    truths = Truth(
        boxes=torch.cat([corners, corners + sides], dim=1),
        labels=torch.randint(NUM_CLASSES, (num_boxes,), generator=random),
        difficult=none,
        crowd=none,
        areas=sides.prod(dim=1),
    )
    numbers = torch.arange(NUM_IMAGES)
    names = torch.from_numpy(np.char.mod("%012d.jpg", numbers.numpy()).astype("S16").view(np.uint8))
    in_shard = -(-NUM_IMAGES // NUM_SHARDS)
    paths = ImagePaths(
        tuple(str(folder / shard_name("train", number)) for number in range(NUM_SHARDS)),
        (numbers // in_shard).to(torch.int32),
        names,
        (numbers + 1) * 16,
        numbers % in_shard * (IMAGE_BYTES + 2048) + 512,
        torch.full((NUM_IMAGES,), IMAGE_BYTES),
    )
    dataset = DataSet(
        class_names=tuple(f"class {label}" for label in range(NUM_CLASSES)),
        paths=paths,
        sizes=np.full((NUM_IMAGES, 2), 500),
        truths=truths,
        ends=(numbers + 1) * BOXES_PER_IMAGE,
        image_ids=numbers.numpy(),
        category_ids=tuple(range(1, NUM_CLASSES + 1)),
        has_ids=True,
        description="made up",
        content_hashes=np.random.default_rng(0).integers(2**62, size=NUM_IMAGES),
    )
    size = in_shard * (IMAGE_BYTES + 2048) + 1024
    shards = [Shard(Path(one).name, size, "") for one in paths.folders]
    for shard in shards:
        with (folder / shard.name).open("wb") as file:
            file.truncate(size)
    save_index(folder / INDEX, dataset, shards, {"train": range(NUM_IMAGES)})


def measure_opening(folder: Path) -> None:
    start = time.perf_counter()
    dataset = open_dataset(folder, "train")
    seconds = time.perf_counter() - start
    truths, paths = dataset.truths, dataset.paths
    arrays = [getattr(truths, name) for name in Truth.__slots__]
    arrays += [getattr(paths, name) for name in paths.__dataclass_fields__ if name != "folders"]
    arrays += [dataset.ends, dataset.sizes, dataset.image_ids, dataset.content_hashes]
    each = sum(array.nbytes for array in arrays) / len(truths)
    counts = f"{len(dataset):,} | {len(truths):,}"
    print(f"| open | {counts} | {seconds:.1f} s | {memory()[0]:.0f} MB | | {each:.1f} |")
    for name, work in (
        ("order of an epoch", lambda: ShardWindow.of(paths).permutation(0, 0)),  # type: ignore[union-attr]
        ("fingerprint", dataset.fingerprint),
    ):
        start = time.perf_counter()
        work()
        print(f"| {name} | {counts} | {time.perf_counter() - start:.1f} s | | | |")


@dataclass(frozen=True)
class TruthsAlone(Dataset[int]):
    """The truths of a data set, without the images."""

    dataset: DataSet

    def __getitem__(self, draw: Draw) -> int:
        truth = self.dataset.truth(draw.index)
        assert self.dataset.paths[draw.index].endswith(".jpg")
        return int(truth.labels.sum()) + int(truth.boxes.sum())


def measure_workers(folder: Path, method: str) -> None:
    """Draw a part of several epochs, and print the memory after each."""
    dataset = open_dataset(folder, "train")
    loader = DataLoader(
        TruthsAlone(dataset),
        batch_sampler=SomeBatches(dataset),
        num_workers=WORKERS,
        multiprocessing_context=method,
    )
    batches, start = iter(loader), time.perf_counter()
    for epoch in range(1, EPOCHS + 1):
        for _ in range(STEPS):
            next(batches)
        if epoch not in (1, EPOCHS // 2, EPOCHS):
            continue
        workers = [memory(child.pid) for child in multiprocessing.active_children() if child.pid]
        together = memory()[0] + sum(pss for pss, _ in workers)
        seconds = time.perf_counter() - start
        print(
            f"| {method}, epoch {epoch} | {NUM_IMAGES:,} | {len(dataset.truths):,} | "
            f"{seconds:.0f} s | {together:.0f} MB | {max(uss for _, uss in workers):.0f} MB | |"
        )


@dataclass(frozen=True)
class SomeBatches(Sampler[list[Draw]]):
    """The first batches of each epoch, and a few at the end, for which the workers wait."""

    dataset: DataSet

    def __iter__(self) -> Iterator[list[Draw]]:
        window = ShardWindow.of(self.dataset.paths)
        for epoch in range(EPOCHS):
            first = -(-epoch * NUM_IMAGES // BATCH_SIZE)
            last = first + STEPS + (2 * WORKERS + 1) * (epoch == EPOCHS - 1)
            yield from Order(NUM_IMAGES, BATCH_SIZE, last, 0, first_step=first, window=window)


def memory(process: int | str = "self") -> tuple[float, float]:
    """Read PSS and USS of a process in megabytes."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    unique = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return kilobytes["Pss"] / 1000, unique / 1000


if __name__ == "__main__":
    folder, what = Path(sys.argv[1]), sys.argv[2]
    measure_opening(folder) if what == "open" else measure_workers(folder, what)
