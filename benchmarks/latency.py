"""Latency of SSDs in each runtime: PyTorch, onnxruntime, OpenVINO and LiteRT; float32, bf16, int8.

    python -m benchmarks latency
    python -m benchmarks.latency [--only NAME...] [--threads 1,2] [--folder F] [--write]

Network alone, and from decoded images of 640 × 480 to boxes, by `singleshot benchmark`: all
runtimes of a detector in turns. The network in PyTorch with contiguous tensors, and torchvision's
SSDLite beside the same weights exported, run in this process.

Most of the time goes into exports, which --folder keeps for another run. Real data and weights
are found in SINGLESHOT_SHARED, else `shared` beside the repository; without it images are drawn,
and imported weights and int8 are left out. LiteRT's converter is used if it is there
(SINGLESHOT_LITERT_PYTHON).
"""

import argparse
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection.ssd import SSD

import singleshot
from benchmarks.latency_models import (
    Exports,
    copy_images,
    export_all,
    imported,
    random_run,
    torchvision_pair,
)
from benchmarks.timing import alternately, ratio
from singleshot.benchmarking.about import with_score_threshold
from singleshot.benchmarking.machine import describe_machine
from singleshot.benchmarking.result import BenchmarkResult, BenchmarkRow
from singleshot.data.image_files.decoding import read_image
from singleshot.data.opening import open_dataset
from singleshot.importers.class_names import VOC_NAMES
from singleshot.models.opening import load_trainable
from singleshot.models.summary import numbered_classes
from singleshot.report.text import short
from singleshot.structures import Detector

Key = tuple[str, str, int, int]  # runtime, precision, threads, streams

RESULTS = Path(__file__).parent / "results" / "latency.md"
SHARED = Path(__file__).resolve().parents[2] / "shared"
FORMATS = ("onnx", "openvino", "litert")
NAMES = ("ssdlite-mobilenet-v2", "ssdlite320-lite0", "ssd300-vgg16", "torchvision-ssdlite320")
EAGER_ROUNDS = 15
SCORE_THRESHOLDS = (0.001, 0.3)  # torchvision's own, and one to work with


@dataclass(frozen=True)
class Plan:
    """What is measured, and with what."""

    folder: Path
    shared: Path | None
    images: Sequence[Path]
    names: Sequence[str] = NAMES
    threads: str = "1,2"
    timings: int = 120
    rounds: int = 6

    def data(self, name: str) -> Path | None:
        """Return a data set to calibrate on, if it is there."""
        return None if self.shared is None else self.shared / "data" / name


def main() -> None:
    """Measure everything, with temporary exports."""
    with tempfile.TemporaryDirectory() as folder:
        for line in report(make_plan(Path(folder))):
            print(line, flush=True)


def command() -> None:
    """Measure what the command line names, and write results/latency.md with --write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--timings", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="keeps the exports for another run")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        plan = replace(
            make_plan(given.folder or Path(temporary)),
            names=given.only,
            threads=given.threads,
            timings=given.timings,
            rounds=given.rounds,
        )
        lines = []
        for line in report(plan):
            print(line, flush=True)
            lines.append(line)
    if given.write:
        RESULTS.write_text("\n".join([*head(), *lines]) + "\n", encoding="utf-8")


def make_plan(folder: Path) -> Plan:
    """Find data and images."""
    shared = Path(os.environ.get("SINGLESHOT_SHARED", SHARED))
    found = shared if (shared / "data").is_dir() else None
    source = None if found is None else found / "data" / "tiny_coco"
    return Plan(folder, found, copy_images(source, folder / "images"))


def report(plan: Plan) -> Iterator[str]:
    """Measure, and yield the lines of the tables."""
    for name in PREPARE:
        measured = measure(name, plan) if name in plan.names else None
        if measured is not None:
            yield from table(name, measured)
    if "torchvision-ssdlite320" in plan.names:
        yield from beside_torchvision(plan)


def prepare_imported(plan: Plan) -> tuple[Path, Path | None] | None:
    """SSDLite with MobileNetV2, trained on COCO by TensorFlow's authors."""
    if plan.shared is None:
        return None
    weights = sorted((plan.shared / "weights" / "ssdlite_mnv2_coco_tfjs").glob("*.json"))
    folder = plan.folder / "ssdlite-mobilenet-v2"
    return (imported(weights[0], folder), plan.data("tiny_coco")) if weights else None


def prepare_lite0(plan: Plan) -> tuple[Path, Path | None]:
    """The recipe that the package recommends, with COCO's classes."""
    data = plan.data("tiny_coco")
    classes = numbered_classes(80) if data is None else open_dataset(data).class_names
    folder = plan.folder / "ssdlite320-lite0"
    return random_run("ssdlite320-lite0", classes, plan.images, folder), data


def prepare_ssd300(plan: Plan) -> tuple[Path, Path | None]:
    """The paper's SSD300, with VOC's classes."""
    data = plan.data("voc2012_100/VOC2012")
    return random_run("ssd300-vgg16", VOC_NAMES, plan.images, plan.folder / "ssd300-vgg16"), data


PREPARE = {
    "ssdlite-mobilenet-v2": prepare_imported,
    "ssdlite320-lite0": prepare_lite0,
    "ssd300-vgg16": prepare_ssd300,
}


@dataclass(frozen=True)
class Measured:
    """All runtimes of one detector."""

    exports: Exports
    rows: Mapping[Key, BenchmarkRow]
    eager_ms: Mapping[int, float]  # network in PyTorch with contiguous tensors, by threads
    note: str  # on a busy machine


def measure(name: str, plan: Plan) -> Measured | None:
    """Export a detector and time it in all runtimes; None where it is not there."""
    prepared = PREPARE[name](plan)
    if prepared is None:
        print(f"{name}: left out: no weights in {SHARED}", flush=True)
        return None
    run, calibration = prepared
    trained = name == "ssdlite-mobilenet-v2"
    exports = export_all(run, calibration, trained=trained, formats=FORMATS)
    models = [run, *exports.folders.values()]
    single = time_models(models, plan, threads=plan.threads, streams="1")
    streams = time_models(models, plan, threads="1", streams="2")
    labels = {str(run): ("pytorch", "float32")} | {
        str(folder): key for key, folder in exports.folders.items()
    }
    rows = {
        (*labels[row.model], row.threads, row.streams): row for row in (*single.rows, *streams.rows)
    }
    eager = {threads: time_eager(run, threads) for threads in map(int, plan.threads.split(","))}
    return Measured(exports, rows, eager, "; ".join(dict.fromkeys((*single.notes, *streams.notes))))


def time_models(
    models: Sequence[Path], plan: Plan, *, threads: str, streams: str
) -> BenchmarkResult:
    """Time models as the command does."""
    return singleshot.benchmark(
        models,
        plan.images[0].parent,
        threads=threads,
        streams=streams,
        timings=plan.timings,
        rounds=plan.rounds,
        progress=True,
    )


def time_eager(run: Path, threads: int) -> float:
    """Time the network in PyTorch with contiguous tensors, in milliseconds."""
    exportable = load_trainable(run, "cpu").exportable()
    assert exportable is not None
    image = torch.randn(1, 3, *exportable.input_size)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            (times,) = alternately([lambda: exportable.network(image)], EAGER_ROUNDS)
    finally:
        torch.set_num_threads(before)
    return statistics.median(times)


def table(name: str, measured: Measured) -> Iterator[str]:
    """Write the latencies of one detector, and how many times as fast they are."""
    rows, counts = measured.rows, sorted(measured.eager_ms)
    network = [f"network, {count} thread{'s' * (count > 1)}, ms" for count in counts]
    whole = [f"to boxes, {count} thread{'s' * (count > 1)}, ms" for count in counts]
    last = ["pre + post, one thread, ms", "images/s, one thread", "two streams", "MB"]
    last += ["× PyTorch", "× OpenVINO float32"]
    header = ["runtime", "precision", *network, *whole, *last]
    yield f"### {name}"
    yield ""
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    eager = ["pytorch, contiguous", "float32"]
    eager += [f"{measured.eager_ms[count]:.1f}" for count in counts]
    yield f"| {' | '.join(eager + ['–'] * (len(header) - len(eager)))} |"
    for key in dict.fromkeys(key[:2] for key in rows):
        yield f"| {' | '.join(cells(key, measured, counts))} |"
    yield ""
    detections = sorted(row.detections_per_image for row in rows.values())
    yield (
        f"`× PyTorch` and `× OpenVINO float32`: of the network with one thread. Detections in an "
        f"image: {detections[0]:.0f} to {detections[-1]:.0f}, above a score of "
        f"{next(iter(rows.values())).score_threshold}."
    )
    for (to, precision), reason in measured.exports.missing.items():
        yield f"Left out: {to}, {precision}: {reason}"
    if measured.note:
        yield f"Notes: {measured.note}."
    yield ""


def cells(key: tuple[str, str], measured: Measured, counts: Sequence[int]) -> list[str]:
    """Write the cells of one runtime and precision."""
    rows = measured.rows

    def network(runtime: tuple[str, str]) -> float | None:
        row = rows.get((*runtime, 1, 1))
        return row.network.median if row is not None and row.network is not None else None

    single = [rows.get((*key, count, 1)) for count in counts]
    streams = rows.get((*key, 1, 2))
    first = rows.get((*key, 1, 1))
    own = network(key)
    return [
        key[0] + (", channels last" if key[0] == "pytorch" else ""),
        key[1],
        *(
            "–" if row is None or row.network is None else short(row.network.median)
            for row in single
        ),
        *("–" if row is None else short(row.total.median) for row in single),
        "–" if first is None else pre_and_post(first),
        "–" if first is None else short(first.images_per_second),
        "–" if streams is None else short(streams.images_per_second),
        "–" if first is None or first.size_mb is None else short(first.size_mb),
        *(
            "–" if own is None or other is None else f"{other / own:.2f}"
            for other in (network(("pytorch", "float32")), network(("openvino", "float32")))
        ),
    ]


def pre_and_post(row: BenchmarkRow) -> str:
    """Add up what is not the network's."""
    if row.preprocess is None or row.postprocess is None:
        return "–"
    return short(row.preprocess.median + row.postprocess.median)


def beside_torchvision(plan: Plan) -> Iterator[str]:
    """Time torchvision's SSDLite and the same weights in each runtime, in turns, one thread."""
    theirs, run = torchvision_pair(plan.images, plan.folder / "torchvision-ssdlite320")
    calibration = plan.data("tiny_coco")
    exports = export_all(run, calibration, trained=False, formats=FORMATS)
    images = [read_image(path) for path in plan.images]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield "### torchvision's ssdlite320_mobilenet_v3_large, and the same weights exported"
        yield ""
        columns = ["runtime", "precision", "score >", "to boxes, one thread, ms", "times as fast"]
        yield f"| {' | '.join([*columns, 'detections'])} |"
        yield "|---|---|---|---|---|---|"
        for threshold in SCORE_THRESHOLDS:
            theirs.score_thresh = threshold
            ours = {("pytorch", "float32"): singleshot.load(run, "cpu")} | {
                key: singleshot.load(folder, threads=1) for key, folder in exports.folders.items()
            }
            detectors = {key: with_score_threshold(one, threshold) for key, one in ours.items()}
            yield from rows_beside(theirs, detectors, images, threshold, plan)
    finally:
        torch.set_num_threads(before)
    for (to, precision), reason in exports.missing.items():
        yield f"Left out: {to}, {precision}: {reason}"


def rows_beside(
    theirs: SSD,
    detectors: Mapping[tuple[str, str], Detector],
    images: Sequence[Tensor],
    threshold: float,
    plan: Plan,
) -> Iterator[str]:
    """Time torchvision's detector and others on the same images, one after the other."""
    found = {}
    # Each has its own layout in memory: torchvision reads planes, cameras give pixels.
    interleaved = [one.permute(1, 2, 0).contiguous().permute(2, 0, 1) for one in images]

    @torch.inference_mode()
    def detect_theirs() -> None:
        for image in images:
            found["torchvision", "float32"] = theirs([image / 255])[0]["scores"]

    def detect(key: tuple[str, str]) -> None:
        for image in interleaved:
            found[key] = detectors[key].detect([image])[0].scores

    works: list[Callable[[], object]] = [
        detect_theirs,
        *(partial(detect, key) for key in detectors),
    ]
    rounds = max(plan.timings // len(images), 3)
    first, *others = alternately(works, rounds)
    for key, times in zip([("torchvision", "float32"), *detectors], [first, *others], strict=True):
        per_image = statistics.median(times) / len(images)
        yield (
            f"| {key[0]} | {key[1]} | {threshold} | {per_image:.2f} | {ratio(first, times):.2f} | "
            f"{len(found[key])} |"
        )


def head() -> list[str]:
    """Write the top of the page: command, date, commit and machine."""
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    machine = describe_machine(torch.device("cpu"))
    versions = ", ".join(
        f"{package} {version(package)}"
        for package in ("torch", "onnxruntime", "openvino", "ai-edge-litert")
        if find_spec(package.replace("-", "_")) is not None
    )
    return [
        "# Latency",
        "",
        "```sh",
        "python -m benchmarks.latency --write",
        "```",
        "",
        f"{date.today()}, commit {commit}, {machine.cores} cores of an {machine.processor} "
        f"({', '.join(machine.features)}), Python {platform.python_version()}, {versions}. Decoded "
        f"images of 640 × 480; medians, runtimes in turns.",
        "",
    ]


if __name__ == "__main__":
    command()
