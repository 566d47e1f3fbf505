"""A comparison for a person: tables, from the document that `--json` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from singleshot.report.text import number, table

__all__ = ["summary", "tutorial_summary"]

Document = Mapping[str, Any]


def summary(document: Document) -> str:
    """Accuracy, speed and size of each detector, and who is better than whom."""
    models = sorted(document["models"], key=lambda one: -(one["mean_average_precision"] or -1))
    of_coco = "IoU 0.5 to 0.95" if document["protocol"] == "coco" else ""
    at = of_coco or f"IoU {document['iou_threshold']:g}"
    machine = document["machine"]
    head = (
        f"protocol {document['protocol']}: {document['images']} images, "
        f"{document['truths']} truths; mAP at {at}, with its "
        f"{document['bootstrap']['confidence']:.0%} interval\n"
        f"timed in turns on {machine['processor']}, {machine['threads']} threads, device "
        f"{machine['device']}; milliseconds of one image"
    )
    parts = [head, accuracy(models), speed(models), pairs(document)]
    if "published" in document:
        parts.append(published(document["published"]))
    return "\n\n".join(parts)


def accuracy(models: Sequence[Document]) -> str:
    """How good each is."""
    header = ["accuracy", "mAP", "low", "high", "AP50", "AP75", "small", "medium", "large"]
    keys = ("AP50", "AP75", "APs", "APm", "APl")
    rows = [
        [
            one["name"],
            number(one["mean_average_precision"]),
            *map(number, one["interval"] or (None, None)),
            *(number(one["coco"][key]) for key in keys),
        ]
        for one in models
    ]
    return table(header, rows)


def speed(models: Sequence[Document]) -> str:
    """How fast and how large each is."""
    batch = max(len(one["speed"]) for one in models) > 1
    header = ["speed and size", "ms", "pre", "network", "post", "images/s"]
    header += ["in batches"] if batch else []
    header += ["memory MB", "parameters M", "multiply-adds G", "boxes", "file MB", "front"]
    return table(header, [speed_row(one, batch=batch) for one in models])


def speed_row(one: Document, *, batch: bool) -> list[str]:
    """The cells of one detector."""
    alone, *more = one["speed"]
    peak, before = alone["peak_memory_mb"], one["memory_before_mb"]
    memory = None if peak is None or before is None else max(peak - before, 0.0)
    phases = ("total_ms", "preprocess_ms", "network_ms", "postprocess_ms")
    together = [short(more[-1]["images_per_second"] if more else None)] if batch else []
    return [
        one["name"],
        *(short(alone[phase]) for phase in phases),
        short(alone["images_per_second"]),
        *together,
        short(memory),
        short(one["parameters"] / 1e6),
        short(one["macs"] / 1e9),
        f"{one['num_boxes']:,}",
        short(one["file_bytes"] / 1e6),
        "yes" if one["on_pareto_front"] else "",
    ]


def pairs(document: Document) -> str:
    """Each pair, the better one first, and whether the images can tell."""
    header = ["differences of mAP", "difference", "low", "high", "p, adjusted", ""]
    return table(header, [pair_row(one) for one in document["pairs"]])


def pair_row(pair: Document) -> list[str]:
    """The more accurate minus the other."""
    numbers = [pair["difference"], pair["low"], pair["high"]]
    first, second = pair["first"], pair["second"]
    if (numbers[0] or 0) < 0:
        first, second = second, first
        numbers = [None if one is None else -one for one in (numbers[0], numbers[2], numbers[1])]
    verdict = "better" if pair["differs"] else "cannot be told"
    signed = ["-" if one is None else f"{one:+.3f}" for one in numbers]
    return [f"{first} - {second}", *signed, number(pair["p_value_adjusted"]), verdict]


def published(figures: Sequence[Document]) -> str:
    """What others say of the original systems."""
    header = ["published, not measured here", "what", "value", "on", "source"]
    rows = [
        [
            one["system"],
            one["metric"],
            f"{one['value']:g}",
            one["data"] or one["hardware"],
            f"{one['source']} ({one['confidence']})",
        ]
        for one in figures
    ]
    return table(header, rows)


def tutorial_summary(document: Document) -> str:
    """The tutorial's tables as printed, and what was measured of every system."""
    machine = document["machine"]
    head = (
        f"measured on {machine['processor']}, {machine['threads']} threads, device "
        f"{machine['device']}: networks at the paper's input with random weights; images/s without "
        f"choosing among their boxes"
    )
    parts = [head, systems(document), *map(printed, document["tables"])]
    slips = "\n".join(f"[{name}] {text}" for name, text in document["slips"].items())
    return "\n\n".join([*parts, slips])


def systems(document: Document) -> str:
    """Every system, one a line."""
    header = ["measured here", "input", "boxes", "parameters M", "multiply-adds G", "pre"]
    header += ["network", "images/s", "memory MB", "published boxes"]
    header += ["AP50 of the run"] if document["data"] else []
    return table(header, [system_row(one, document) for one in document["systems"]])


def system_row(one: Document, document: Document) -> list[str]:
    """The cells of one system."""
    speed = one["speed"] or {"preprocess_ms": None, "network_ms": None}
    millions, billions = (
        None if one[key] is None else one[key] / unit
        for key, unit in (("parameters", 1e6), ("macs", 1e9))
    )
    run = [number(one["run"] and one["run"]["AP50"])] if document["data"] else []
    return [
        one["recipe"],
        "-" if one["input"] is None else "{}x{}".format(*one["input"]),
        "-" if one["num_boxes"] is None else f"{one['num_boxes']:,}",
        short(millions),
        short(billions),
        short(speed["preprocess_ms"]),
        short(speed["network_ms"]),
        short(one["frames_per_second"]),
        short(one["memory_mb"]),
        one["boxes"],
        *run,
    ]


def printed(quoted: Document) -> str:
    """One table of the tutorial."""
    title = f"as printed: {quoted['title']}{marks(quoted['notes'])}"
    rows = [[row["name"], *map(marked, row["cells"])] for row in quoted["rows"]]
    header = [title, *map(marked, quoted["printed"])]
    return table(header, rows)


def marked(cell: Document) -> str:
    """A cell and its notes."""
    return f"{cell['cell']}{marks(cell['notes'])}"


def marks(notes: Sequence[str]) -> str:
    """Which slips it has part in."""
    return "".join(f" [{note}]" for note in notes)


def short(value: float | None) -> str:
    """At least three digits that count, as on the page; a dash where undefined."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    if value < 1:
        return f"{value:#.3g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
