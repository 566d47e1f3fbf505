"""How well could a perfect detector score? The bound of label noise on AP50, estimated.

python -m benchmarks label-noise --sets bccd --minutes 20 --output label-noise.jsonl

Two detectors are trained on disjoint halves of the training images. Each is confident where its
score is at least that of its best F1 on the other half, which it has not seen, or a part of it. On
the test images `label_noise_estimate` compares what both and the annotations have in common. Its
assumptions:

- The detectors miss annotated objects independently of each other. In fact both miss hard ones
  (small, hidden), which are then taken for false annotations: the bound comes out too low.
- What both detectors have exists. In fact they repeat mistakes: it comes out too low.
- They repeat no mistake of the annotators. In fact they learned from annotations with the same
  habits, and what they learned of them is not in the bound: it comes out too high.

So it holds for what annotators do at random, and where a detector has a higher AP50 it is disproved
by it. The second table shows how far it depends on the thresholds, of which those with the largest
bound count; 90 % of bootstrap draws of the test images lie in the interval. At the thresholds of
the best F1, "both, not annotated" are detections on which the detectors agree, and "neither" are
annotations that none of them has: --images draws the images with most of them, to look at.
Each training adds a line to the output file and is not repeated.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import singleshot
from benchmarks import sweep
from benchmarks.corpus_data import NAMES, TEST, TRAIN, find_set, names_in, prepare, write_split
from benchmarks.corpus_tables import Results, header, row
from benchmarks.corpus_trainings import Job, Ours, TrainingFailed
from benchmarks.label_noise_estimate import Evidence, combine, estimate, interval, largest
from benchmarks.starts import Set
from singleshot.data.dataset import DataSet
from singleshot.drawing.draw import draw_boxes, save_image
from singleshot.errors import SingleshotError
from singleshot.evaluation.detection import each_detected
from singleshot.metrics import Predictions, Truths
from singleshot.metrics.average_precision import mean_of_defined
from singleshot.metrics.coco import coco_numbers
from singleshot.structures import Detections, Detector, Truth

__all__ = ["main"]

FACTORS = (1.0, 0.5, 0.25, 0.1)  # of the threshold of the best F1
DRAWN = 10  # images
GAP = 4  # pixels between the drawings of an image


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the pairs that the output lacks, and print the table of the estimates."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks label-noise",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--minutes", type=float, default=20.0, help="of each of the two trainings")
    parser.add_argument("--sets", type=find_set, nargs="+", default=[*map(find_set, NAMES)])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="each has its own halves")
    parser.add_argument("--arguments", default="ssdlite320-lite0", help="of singleshot train")
    parser.add_argument("--folder", type=Path, default=Path("runs/corpus"), help="data and runs")
    parser.add_argument("--images", type=Path, help="folder for drawings of the disagreements")
    options = parser.parse_args(arguments)
    lines = Results(sweep.lines(options.output))
    of_options = {"minutes": options.minutes, "arguments": options.arguments}
    for seed in options.seeds:
        for each in options.sets:
            if lines.select(set=each.name, seed=seed, **of_options).lines:
                continue
            try:
                sweep.append(options.output, train_pair(each, seed, options))
            except (TrainingFailed, SingleshotError) as error:
                sys.exit(f"{each.name}, seed {seed}: {error}")
    print("\n".join(table(Results(sweep.lines(options.output)).select(**of_options).lines)))


def train_pair(each: Set, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train on both halves, and estimate the bound: a line of the output."""
    folder = prepare(each, options.folder / "data")
    halves = write_halves(folder, seed)
    ours = Ours(tuple(shlex.split(options.arguments)), keep=True)
    runs = []
    for half in halves:
        place = options.folder / "runs" / f"{each.name}-{half}-{options.minutes:g}m"
        print(f"{place.name}: began", file=sys.stderr, flush=True)
        ours.train_only(Job(folder, half, seed, options.minutes, place))
        runs.append(place)
    pair = [Sure.of(run, folder, half) for run, half in zip(runs, reversed(halves), strict=True)]
    comparison = Comparison.of(pair, singleshot.open_dataset(folder, split=TEST))
    if options.images is not None:
        comparison.draw(options.images / f"{each.name}-{seed}")
    return {
        "set": each.name,
        "seed": seed,
        "minutes": options.minutes,
        "arguments": options.arguments,
        **comparison.numbers(),
    }


def write_halves(folder: Path, seed: int) -> tuple[str, str]:
    """Write the two splits of a seed, and return their names."""
    names = names_in(folder, TRAIN)
    order = np.random.default_rng(seed).permutation(len(names))
    middle = len(names) // 2
    for letter, chosen in (("a", order[:middle]), ("b", order[middle:])):
        write_split(folder, f"half-{letter}-{seed}", [names[index] for index in chosen])
    return f"half-a-{seed}", f"half-b-{seed}"


@dataclass(frozen=True)
class Sure:
    """A detector, and the score of each class from which on it is confident."""

    detector: Detector
    thresholds: torch.Tensor  # float (classes,)

    @classmethod
    def of(cls, run: Path, folder: Path, unseen: str) -> "Sure":
        """Choose the thresholds on a split that it was not trained on: those of the best F1."""
        report = singleshot.evaluate(run, folder, split=unseen, device="cpu")
        best = [own.best_f1.threshold_or_default for own in report.per_class.values()]
        return cls(singleshot.load(run, device="cpu"), torch.tensor(best))

    def detect(self, dataset: DataSet) -> list[Detections]:
        """Detect in all images."""
        batches = [range(index, index + 1) for index in range(len(dataset))]
        return list(each_detected(self.detector, dataset, batches, None))

    def confident(self, found: Sequence[Detections], factor: float = 1.0) -> list[Detections]:
        """Select the detections with a score of at least the threshold times a factor."""
        return [one[one.scores >= factor * self.thresholds[one.labels]] for one in found]


@dataclass(frozen=True)
class Comparison:
    """Annotations of the test images, and all detections of two detectors in them."""

    dataset: DataSet
    pair: Sequence[Sure]
    found: Sequence[list[Detections]]

    @classmethod
    def of(cls, pair: Sequence[Sure], dataset: DataSet) -> "Comparison":
        dataset = dataset.with_classes(pair[0].detector.class_names)
        return cls(dataset, pair, [one.detect(dataset) for one in pair])

    def truths(self) -> list[Truth]:
        return [self.dataset.truth(index) for index in range(len(self.dataset))]

    def confident(self, factor: float = 1.0) -> list[list[Detections]]:
        """Return the confident detections of both, at the thresholds times a factor."""
        return [one.confident(own, factor) for one, own in zip(self.pair, self.found, strict=True)]

    def evidence(self, factor: float = 1.0) -> Evidence:
        first, second = self.confident(factor)
        return Evidence.of(self.truths(), first, second, len(self.dataset.class_names))

    def numbers(self) -> dict[str, Any]:
        """Compute AP50 against annotations and against each other, the bound and its interval."""
        evidences = [self.evidence(factor) for factor in FACTORS]
        estimates = [estimate(evidence) for evidence in evidences]
        chosen = largest(estimates)
        own, bounds = combine(estimates, chosen), interval(evidences, chosen)
        first, second = self.confident()
        annotations = self.truths()
        unannotated, undetected = evidences[0].doubts().sum(axis=0).tolist()
        by_class = zip(*(one.bound for one in estimates), strict=True)
        return {
            "AP50_first": self.ap50(0, annotations),
            "AP50_second": self.ap50(1, annotations),
            "AP50_first_by_second": self.ap50(0, as_truths(second)),
            "AP50_second_by_first": self.ap50(1, as_truths(first)),
            "annotated": mean_of_defined(own.annotated),
            "true": mean_of_defined(own.true),
            "bound": mean_of_defined(own.bound),
            "low": None if bounds is None else bounds[0],
            "high": None if bounds is None else bounds[1],
            "factors": FACTORS,
            "per_class": dict(zip(self.dataset.class_names, map(list, by_class), strict=True)),
            "annotations": int(evidences[0].annotations.sum()),
            "unannotated": unannotated,
            "undetected": undetected,
        }

    def ap50(self, which: int, truths: Sequence[Truth]) -> float | None:
        """Compute AP50 of all detections of one detector, against these truths."""
        named = ((Path(str(index)), one) for index, one in enumerate(truths))
        joined = DataSet.of(self.dataset.class_names, named, description="")
        columns = Truths.of(joined.truths, joined.ends)
        numbers, _ = coco_numbers(
            Predictions.of(self.found[which]), columns, len(self.dataset.class_names)
        )
        return numbers.AP50

    def draw(self, folder: Path) -> None:
        """Draw the images that the detectors agree on most against the annotations.

        From left to right: annotations, and the confident detections of both.
        """
        doubts = self.evidence().doubts().sum(axis=1)
        folder.mkdir(parents=True, exist_ok=True)
        first, second = self.confident()
        for index in np.argsort(-doubts, kind="stable")[:DRAWN].tolist():
            sample = self.dataset[index]
            drawings = [
                np.asarray(draw_boxes(sample.image, objects, self.dataset.class_names))
                for objects in (sample.truth, first[index], second[index])
            ]
            gap = np.full((drawings[0].shape[0], GAP, 3), 255, dtype=np.uint8)
            parts = [drawings[0], gap, drawings[1], gap, drawings[2]]
            image = Image.fromarray(np.concatenate(parts, axis=1))
            save_image(image, folder / f"{Path(sample.name).stem}.jpg")


def as_truths(found: Sequence[Detections]) -> list[Truth]:
    """Take detections for annotations."""
    return [Truth.of(one.boxes, one.labels) for one in found]


def table(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Tabulate the estimates: a row a data set and seed, then the mean of the seeds."""
    columns = ["AP50, annotations", "AP50, each other", "objects annotated", "annotations true"]
    columns += ["bound on AP50", "90 %"]
    counts = ["both, not annotated", "neither", "annotations"]
    yield from header(["data set, seed", *columns, *counts])
    results = Results(lines)
    for line in lines:
        pairs = (("AP50_first", "AP50_second"), ("AP50_first_by_second", "AP50_second_by_first"))
        texts = [" and ".join(number(line[key]) for key in pair) for pair in pairs]
        within = f"{number(line['low'])} to {number(line['high'])}"
        totals = [str(line[key]) for key in ("unannotated", "undetected", "annotations")]
        name = f"{line['set']}, {line['seed']}"
        bounds = [*(number(line[key]) for key in ("annotated", "true", "bound")), within]
        yield row([name, *texts, *bounds, *totals])
    for name in results.names("set"):
        of_seeds = results.select(set=name).numbers("bound")
        if len(of_seeds) > 1:
            yield f"\n{name}: {sweep.spread(of_seeds)} over {len(of_seeds)} seeds"
    yield ""
    at = [f"thresholds × {factor:g}" for factor in FACTORS]
    yield from header(["bound, by class", *at])
    for line in lines:
        for name, own in line["per_class"].items():
            yield row([f"{line['set']}, {line['seed']}: {name}", *map(number, own)])


def number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
