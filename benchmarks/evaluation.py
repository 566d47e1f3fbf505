"""Cost of evaluation: ours, pycocotools, faster-coco-eval and hotcoco, on one machine.

As many images, classes and truths as COCO's val2017, and 100 detections per image: three in ten
lie near a truth, the others anywhere. Each takes the same arrays and gives COCO's twelve numbers,
which must be equal; ours also gives the operating points of each class. They take turns; the slow
ones run once, with a turn of the quick ones. Memory is the peak of a process of its own, above what
arrays and imports took.
"""

import contextlib
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import faster_coco_eval
import hotcoco
import numpy as np
import pycocotools.coco
import pycocotools.cocoeval

from benchmarks.memory import peak_megabytes
from benchmarks.timing import alternately, milliseconds, ratio
from singleshot.metrics import (
    CocoNumbers,
    Predictions,
    Protocol,
    Truths,
    compare_by_bootstrap,
    compute_metrics,
)
from singleshot.metrics.coco import as_annotations, as_categories, as_coco, as_rows

NUM_IMAGES, NUM_TRUTHS, DETECTIONS_PER_IMAGE, NUM_CLASSES = 5000, 37_000, 100, 80
WIDTH, HEIGHT = 640, 480
ROUNDS = 9  # of the quick ones; the slow ones run once
RESAMPLES = 1000

Work = Callable[[Predictions, Truths], list[float]]


def main() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "case.npz")
        save(path, *make_case(np.random.default_rng(0)))
        memory = {name: peak_memory(path, name) for name in WORKS}
        case = load(path)
    works = {name: partial(work, *case) for name, work in WORKS.items()}
    turns = alternately([works[name] for name in QUICK], ROUNDS)
    quick = dict(zip(QUICK, turns, strict=True))
    slow = once_with_equal_numbers({name: works[name] for name in SAME_NUMBERS})
    print("| | time | in times of hotcoco | of ours with coco | peak memory |")
    print("|---|---|---|---|---|")
    for name in WORKS:
        own = quick if name in quick else slow
        ratios = (f"{ratio(own[name], own[peer]):.2f}" for peer in ("hotcoco", "ours, coco"))
        cells = f"{statistics.median(own[name]) / 1000:.2f} s", *ratios, f"{memory[name]:.0f} MB"
        print(f"| {' | '.join([name, *cells])} |")
    compare_two()


def compare_two() -> None:
    """Time the paired bootstrap of two detectors, on a small data set and on the large one."""
    print(f"\n| {RESAMPLES} draws | " + " | ".join(Protocol) + " |\n|---|---|---|---|")
    small = make_case(np.random.default_rng(1), num_images=72, num_truths=967, per_image=32)
    for predictions, truths in (small, make_case(np.random.default_rng(0))):
        moved = np.random.default_rng(2).normal(0, 1, (len(predictions), 2))
        others = replace(predictions, boxes=predictions.boxes + np.tile(moved, 2))
        work = partial(
            compare_by_bootstrap, predictions, others, truths, NAMES, resamples=RESAMPLES
        )
        cells = [milliseconds(partial(work, protocol=protocol)) / 1000 for protocol in Protocol]
        sizes = f"{truths.num_images:,} images, {len(predictions):,} detections"
        print(f"| {sizes} | " + " | ".join(f"{cell:.2f} s" for cell in cells) + " |")


def once_with_equal_numbers(works: dict[str, Callable[[], list[float]]]) -> dict[str, list[float]]:
    """Time one round, in which all must return the twelve numbers of the first."""
    times, numbers = {}, {}
    for name, work in works.items():
        start = time.perf_counter()
        numbers[name] = work()
        times[name] = [1000 * (time.perf_counter() - start)]
    for name, own in numbers.items():
        # They add in another order: the last bit of a mean may differ.
        np.testing.assert_allclose(own, numbers["pycocotools"], rtol=0, atol=1e-14, err_msg=name)
    return times


def make_case(
    random: np.random.Generator,
    *,
    num_images: int = NUM_IMAGES,
    num_truths: int = NUM_TRUTHS,
    per_image: int = DETECTIONS_PER_IMAGE,
) -> tuple[Predictions, Truths]:
    """Draw detections and truths; some classes are forty times as frequent as others."""
    frequency = 1 / (np.arange(NUM_CLASSES) + 2)
    draw_labels = partial(random.choice, NUM_CLASSES, p=frequency / frequency.sum())
    boxes = draw_boxes(random, num_truths)
    truths = Truths(
        images=np.sort(random.integers(0, num_images, num_truths)),
        boxes=boxes,
        labels=draw_labels(num_truths),
        difficult=np.zeros(num_truths, np.bool_),
        crowd=random.random(num_truths) < 0.01,
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * random.uniform(0.4, 1, num_truths),
        num_images=num_images,
    )
    num = num_images * per_image
    images = np.repeat(np.arange(num_images), per_image)
    counts = np.bincount(truths.images, minlength=num_images)
    firsts = np.cumsum(counts) - counts
    own = firsts[images] + (random.random(num) * counts[images]).astype(np.int64)
    near = np.flatnonzero((counts[images] > 0) & (random.random(num) < 0.3))
    found = Predictions(images, draw_boxes(random, num), random.beta(1, 6, num), draw_labels(num))
    sizes = np.tile(boxes[own[near], 2:] - boxes[own[near], :2], 2)
    found.boxes[near] = boxes[own[near]] + sizes * random.normal(0, 0.1, sizes.shape)
    found.boxes[:, 2:] = np.maximum(found.boxes[:, 2:], found.boxes[:, :2] + 1)
    found.labels[near] = truths.labels[own[near]]
    found.scores[near] = random.beta(2, 2, len(near))
    return found, truths


def draw_boxes(random: np.random.Generator, num: int) -> np.ndarray:
    """Draw boxes with sides from 8 to 300 pixels, uniform on a logarithmic scale."""
    sizes = np.exp(random.uniform(np.log(8), np.log(300), (num, 2)))
    corners = random.random((num, 2)) * (np.array([WIDTH, HEIGHT]) - sizes)
    return np.hstack([corners, corners + sizes])


def by_pycocotools(predictions: Predictions, truths: Truths) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = pycocotools.coco.COCO()
        truth.dataset = as_document(truths)
        truth.createIndex()
        found = truth.loadRes(as_rows(predictions))
        evaluator = pycocotools.cocoeval.COCOeval(truth, found, "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats)


def by_faster_coco_eval(predictions: Predictions, truths: Truths) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = faster_coco_eval.COCO(as_document(truths))
        found = truth.loadRes(as_rows(predictions))
        evaluator = faster_coco_eval.COCOeval_faster(truth, found, "bbox", print_function=str)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats[:12])


def by_hotcoco(predictions: Predictions, truths: Truths) -> list[float]:
    truth = as_coco(truths, NUM_CLASSES)
    evaluator = hotcoco.COCOeval(truth, truth.load_res(as_rows(predictions)), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summary_lines()
    results = evaluator.get_results()
    return [results[name] for name in CocoNumbers._fields]


def by_ours(protocol: Protocol, predictions: Predictions, truths: Truths) -> list[float]:
    report = compute_metrics(predictions, truths, NAMES, protocol=protocol)
    return [] if report.coco is None else [float(number or 0) for number in report.coco]


def as_document(truths: Truths) -> dict[str, list[dict[str, object]]]:
    """Convert to a COCO document with ids from 1, since 0 means "none" to pycocotools."""
    return {
        "images": [{"id": image + 1} for image in range(truths.num_images)],
        "categories": as_categories(NUM_CLASSES),
        "annotations": as_annotations(truths, np.arange(len(truths))),
    }


NAMES = tuple(f"class {label}" for label in range(NUM_CLASSES))
WORKS: dict[str, Work] = {
    "pycocotools": by_pycocotools,
    "faster-coco-eval": by_faster_coco_eval,
    "hotcoco": by_hotcoco,
    "ours, coco": partial(by_ours, Protocol.COCO),
    "ours, voc07": partial(by_ours, Protocol.VOC07),
    "ours, voc10": partial(by_ours, Protocol.VOC10),
}
SAME_NUMBERS = ("pycocotools", "faster-coco-eval", "hotcoco", "ours, coco")
QUICK = ("hotcoco", "ours, coco", "ours, voc07", "ours, voc10")


def save(path: Path, predictions: Predictions, truths: Truths) -> None:
    columns = [*columns_of(predictions), *columns_of(truths)]
    np.savez(path, *columns)


def columns_of(arrays: Predictions | Truths) -> list[np.ndarray]:
    return [np.asarray(getattr(arrays, name)) for name in type(arrays).__slots__]


def load(path: Path) -> tuple[Predictions, Truths]:
    columns = [*np.load(path).values()]
    return Predictions(*columns[:4]), Truths(*columns[4:-1], num_images=int(columns[-1]))


def peak_memory(path: Path, name: str) -> float:
    """Measure the megabytes of a work beyond its arguments, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.evaluation", str(path), name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_peak(path: Path, name: str) -> None:
    case = load(path)
    print(peak_megabytes(partial(WORKS[name], *case)))


if __name__ == "__main__":
    measure_peak(Path(sys.argv[1]), sys.argv[2])
