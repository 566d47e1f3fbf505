"""Tiles for small objects in large images: AP with and without, and merged by SAHI.

    python -m benchmarks.tiles MODEL DATA [--split S] [--columns N] [--python PYTHON]

N x N images of the data set stand side by side in each large one. The detector then sees each
object N times smaller than in the image it is from, whose AP is the most that tiles could reach.
PYTHON is the interpreter of an environment with `pip install sahi`: it merges the very detections
of the same tiles. AP is by the rules of VOC 2010 at IoU 0.5: COCO's counts 100 detections of an
image at most, and large images have more objects.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

import singleshot
from singleshot.data.dataset import DataSet, concatenate
from singleshot.drawing import class_colour
from singleshot.metrics import Predictions, Protocol, Truths, compute_metrics
from singleshot.prediction.tiling import Tiling, merge_tiles, tile_windows
from singleshot.structures import Detections, Sample, Truth

OVERLAPS = (0.1, 0.2, 0.4)
LEAST = 0.05  # score: lower detections change AP little, and SAHI's merging takes minutes with them
PEER = Path(__file__).with_name("tiles_peer.py")
GRAY = 114


def large_images(dataset: DataSet, columns: int) -> list[Sample]:
    """Set images side by side, N x N in each; what is left over is left out."""
    number = columns**2
    return [
        side_by_side([dataset[index] for index in range(start, start + number)], columns)
        for start in range(0, len(dataset) - number + 1, number)
    ]


def side_by_side(samples: Sequence[Sample], columns: int) -> Sample:
    height = max(sample.image.shape[1] for sample in samples)
    width = max(sample.image.shape[2] for sample in samples)
    canvas = torch.full((3, height * columns, width * columns), GRAY, dtype=torch.uint8)
    truths = []
    for index, sample in enumerate(samples):
        y, x = index // columns * height, index % columns * width
        own_height, own_width = sample.image.shape[1:]
        canvas[:, y : y + own_height, x : x + own_width] = sample.image
        truth = sample.truth
        moved = truth.boxes + torch.tensor([x, y, x, y])
        truths.append(Truth(moved, truth.labels, truth.difficult, truth.crowd, truth.areas))
    return Sample(canvas, concatenate(truths), "large")


def average_precision(
    found: Sequence[Detections], samples: Sequence[Sample], names: Sequence[str]
) -> float:
    truths = [sample.truth for sample in samples]
    ends = torch.tensor([len(truth) for truth in truths]).cumsum(0)
    report = compute_metrics(
        Predictions.of(iter(found)),
        Truths.of(concatenate(truths), ends),
        names,
        protocol=Protocol.VOC10,
    )
    return 100 * float(report.mean_average_precision)


class InTiles:
    """Detections in each large image and in its tiles, found once."""

    def __init__(
        self, detector: singleshot.Detector, images: Sequence[Tensor], tiling: Tiling
    ) -> None:
        self.sizes = [(image.shape[1], image.shape[2]) for image in images]
        self.windows = [tile_windows(size, tiling.tile, tiling.overlap) for size in self.sizes]
        self.whole, self.parts = [], []
        for image, windows in zip(images, self.windows, strict=True):
            tiles = [image[:, y1:y2, x1:x2].contiguous() for x1, y1, x2, y2 in windows]
            self.whole.append(likely(detector.detect([image])[0]))
            found = [detector.detect(tiles[start : start + 8]) for start in range(0, len(tiles), 8)]
            self.parts.append([likely(one) for batch in found for one in batch])

    def merged(self, apply_nms: Callable[[Detections], Detections]) -> list[Detections]:
        rows = zip(self.whole, self.parts, self.windows, self.sizes, strict=True)
        return [merge_tiles(*row, apply_nms) for row in rows]

    def together(self) -> list[Detections]:
        """All detections in pixels of their large images."""
        result = []
        for whole, parts, windows in zip(self.whole, self.parts, self.windows, strict=True):
            boxes = [
                part.boxes + torch.tensor([x1, y1, x1, y1])
                for part, (x1, y1, _, _) in zip(parts, windows, strict=True)
            ]
            scores, labels = ([getattr(one, name) for one in (whole, *parts)] for name in NAMES)
            result.append(
                Detections(torch.cat([whole.boxes, *boxes]), torch.cat(scores), torch.cat(labels))
            )
        return result


NAMES = ("scores", "labels")


def likely(found: Detections) -> Detections:
    return found[found.scores >= LEAST].to(torch.device("cpu"))


def merged_by_sahi(python: str, together: Sequence[Detections]) -> dict[str, list[Detections]]:
    """Merge in the peer's environment: by its default rule, and by its NMS."""
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "given.json", Path(folder) / "taken.json"
        given.write_text(
            json.dumps(
                [[one.boxes.tolist(), one.scores.tolist(), one.labels.tolist()] for one in together]
            )
        )
        subprocess.run([python, PEER, given, taken], check=True)
        merged = json.loads(taken.read_text())
    return {
        rule: [
            Detections(
                torch.tensor(boxes).reshape(-1, 4),
                torch.tensor(scores),
                torch.tensor(labels, dtype=torch.int64),
            )
            for boxes, scores, labels in images
        ]
        for rule, images in merged.items()
    }


def draw_both(detector: singleshot.Detector, image: Tensor, columns: int) -> Image.Image:
    """Draw part of an image: detections in the whole of it, and in tiles."""
    height, width = (round(side * 1.5 / columns) for side in image.shape[1:])
    x, y = (side // columns for side in (image.shape[2], image.shape[1]))
    tile = tuple(round(0.9 * side / columns) for side in image.shape[1:])
    both = Image.new("RGB", (2 * 640 + 16, round(640 * height / width)), "white")
    for index, one in enumerate((detector, Tiling(detector, tile))):
        (found,) = one.detect([image])
        drawing = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        canvas = ImageDraw.Draw(drawing)
        for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True):
            if score >= 0.5:
                canvas.rectangle(box.tolist(), outline=class_colour(int(label)), width=4)
        part = drawing.crop((x, y, x + width, y + height)).resize((640, both.height))
        both.paste(part, (index * 656, 0))
    return both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--split")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--python")
    parser.add_argument("--image", help="only draw whole and tiles side by side into this file")
    chosen = parser.parse_args()
    detector = singleshot.load(chosen.model, device="cpu")
    names = tuple(detector.class_names)
    dataset = singleshot.open_dataset(chosen.data, split=chosen.split).with_classes(names)
    samples = large_images(dataset, chosen.columns)
    images = [sample.image for sample in samples]
    if chosen.image:
        draw_both(detector, images[0], chosen.columns).save(chosen.image, quality=80)
        return
    number = len(samples) * chosen.columns**2
    one_by_one = [dataset[index] for index in range(number)]
    print(f"{len(samples)} images of {tuple(images[0].shape[1:])} (height, width) from {number}\n")

    def ap(found: Sequence[Detections], of: Sequence[Sample] = samples) -> str:
        return f"{average_precision(found, of, names):.1f}"

    small = [likely(detector.detect([sample.image])[0]) for sample in one_by_one]
    whole = [likely(detector.detect([image])[0]) for image in images]
    print("| | tiles an image | AP |\n|---|---|---|")
    print(f"| the images one by one | | {ap(small, one_by_one)} |")
    print(f"| large images as they are | | {ap(whole)} |")
    # Not the size of an image, so that tiles cut objects in many places.
    tile = tuple(round(0.9 * side / chosen.columns) for side in images[0].shape[1:])
    for overlap in OVERLAPS:
        tiling = Tiling(detector, tile, overlap=overlap)
        found = InTiles(detector, images, tiling)
        about = f"{tile[0]} x {tile[1]}, overlap {overlap:g} | {len(found.windows[0])}"
        own_rule = tiling.apply_nms
        print(f"| tiles of {about} | {ap(found.merged(own_rule))} |")
        print(f"| … merged by NMS alone | | {ap([own_rule(one) for one in found.together()])} |")
        if chosen.python:
            for rule, merged in merged_by_sahi(chosen.python, found.together()).items():
                print(f"| … merged by SAHI's {rule} | | {ap(merged)} |", flush=True)


if __name__ == "__main__":
    main()
