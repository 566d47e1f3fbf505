"""Sweeps of short trainings: each adds a line to a file and is done once; a table of all."""

import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import singleshot
from singleshot.detectors.ssd.network import Ssd
from singleshot.metrics import Report

__all__ = ["append", "done", "evaluate", "lines", "result", "table", "train"]


def train(
    recipe: str | Path,
    data: Path,
    run: Path,
    overrides: Mapping[str, Any],
    init: Path | None = None,
) -> tuple[Ssd, float]:
    """Train on the split `train`; return the detector and the seconds it took."""
    started = time.perf_counter()
    finished = singleshot.train(
        recipe, data, run=run, split="train", val_split="none", init=init, overrides=overrides
    )
    if finished.interrupted:
        raise SystemExit("interrupted; the same command resumes after the last complete training")
    return singleshot.load(run), time.perf_counter() - started


def append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def done(path: Path) -> set[tuple[str, int]]:
    """Return the changes and seeds that are in the file already."""
    return {(str(line["change"]), int(line["seed"])) for line in lines(path)}


def evaluate(detector: Ssd, data: Path) -> Report:
    return singleshot.evaluate(detector, data, split="val")


def result(change: str, seed: int, report: Report, seconds: float) -> dict[str, Any]:
    assert report.coco is not None
    return {
        "change": change,
        "seed": seed,
        "AP": round(report.coco.AP, 5),
        "AP50": round(report.coco.AP50, 5),
        "seconds": round(seconds, 1),
    }


def lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(results: list[dict[str, Any]], base: str) -> str:
    """Tabulate mean and deviation over the seeds, and the difference to the base."""
    rows = ["| change | AP | AP50 | AP, difference | seeds |", "|---|---|---|---|---|"]
    for change in dict.fromkeys(line["change"] for line in results):
        scores = values(results, change, "AP")
        gain = statistics.fmean(scores) - statistics.fmean(values(results, base, "AP"))
        cells = spread(scores), spread(values(results, change, "AP50"))
        rows.append(f"| {change} | {cells[0]} | {cells[1]} | {gain:+.3f} | {len(scores)} |")
    return "\n".join(rows)


def values(results: list[dict[str, Any]], change: str, key: str) -> list[float]:
    return [line[key] for line in results if line["change"] == change]


def spread(scores: list[float]) -> str:
    deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return f"{statistics.fmean(scores):.3f} ± {deviation:.3f}"
