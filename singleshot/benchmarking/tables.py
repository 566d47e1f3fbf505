"""Table of a benchmark for the terminal, from the document that `--json` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from singleshot.report.text import short, table

__all__ = ["format_benchmark"]

Document = Sequence[Mapping[str, Any]]
PHASES = ("preprocess_ms", "network_ms", "postprocess_ms", "total_ms")


def format_benchmark(document: Document) -> str:
    """Write the machine, then latencies, throughput, memory and size of each row."""
    machine = document[0]["machine"]
    features = ", ".join(machine["features"]) or "features unknown"
    head = (
        f"{document[0]['images']}, decoded; {machine['processor']} ({features}), "
        f"{machine['cores']} cores, device {machine['device']}\n"
        f"milliseconds of a batch from pixels to boxes: medians of each phase, percentiles of all"
    )
    parts = [head, _latencies(document), _throughput(document)]
    if any(row["check"] for row in document):
        parts.append(_checks(document))
    return "\n\n".join(parts)


def _setting(row: Mapping[str, Any]) -> list[str]:
    """Write the model and the setting of a row."""
    numbers = [str(row[key]) for key in ("batch", "threads", "streams")]
    return [row["name"], row["runtime"], row["precision"] or "-", *numbers]


SETTING = ["model", "runtime", "precision", "batch", "threads", "streams"]


def _latencies(document: Document) -> str:
    """Write the phases and percentiles."""
    header = [*SETTING, "pre", "network", "post", "median", "min", "p90", "p95", "p99"]
    rows = [
        [
            *_setting(row),
            *(short(row[phase]) for phase in PHASES),
            *(short(row["latency"]["total"][key]) for key in ("min", "p90", "p95", "p99")),
        ]
        for row in document
    ]
    return table(header, rows)


def _throughput(document: Document) -> str:
    """Write throughput, memory, size, energy and the load of postprocessing."""
    header = [*SETTING, "images/s", "memory MB", "file MB", "J/image", "detections", "score >"]
    rows = [
        [
            *_setting(row),
            short(row["images_per_second"]),
            short(row["peak_memory_mb"]),
            short(row["size_mb"]),
            short(row["joules_per_image"]),
            short(row["detections_per_image"]),
            "-" if row["score_threshold"] is None else f"{row['score_threshold']:g}",
        ]
        for row in document
    ]
    return table(header, rows)


def _checks(document: Document) -> str:
    """Write the network's time by all means."""
    header = ["network alone, ms", "runtime", "in detect", "plain loop", "runtime's own", "tool"]
    rows = [
        [
            row["name"],
            row["runtime"],
            short(row["network_ms"]),
            short(row["check"]["plain_ms"]),
            short(row["check"]["own_ms"]),
            row["check"]["own_tool"] or "-",
        ]
        for row in document
        if row["check"]
    ]
    return table(header, rows)
