"""Tables of a comparison for the terminal, from the document that `--json` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from singleshot.report.text import number, short, table

__all__ = ["format_comparison", "format_tutorial"]

Document = Mapping[str, Any]


def format_comparison(document: Document) -> str:
    """Write accuracy, speed and size of each detector, and the difference of every pair."""
    models = sorted(document["models"], key=lambda one: -(one["mean_average_precision"] or -1))
    of_coco = "IoU 0.5 to 0.95" if document["protocol"] == "coco" else ""
    at = of_coco or f"IoU {document['iou_threshold']:g}"
    machine = document["machine"]
    head = (
        f"protocol {document['protocol']}: {document['images']} images, "
        f"{document['truths']} truths; mAP at {at}, with its "
        f"{document['bootstrap']['confidence']:.0%} confidence interval\n"
        f"timed in turns on {machine['processor']}, {machine['threads']} threads, device "
        f"{machine['device']}; milliseconds per image"
    )
    parts = [head, _accuracy(models), _speed(models), _pairs(document)]
    if "published" in document:
        parts.append(_published(document["published"]))
        parts.append(_published_trade_offs(document["published_trade_offs"]))
    return "\n\n".join(parts)


def _accuracy(models: Sequence[Document]) -> str:
    """Write the average precisions of each detector."""
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


def _speed(models: Sequence[Document]) -> str:
    """Write speed, memory and size of each detector."""
    batch = max(len(one["speed"]) for one in models) > 1
    header = ["speed and size", "ms", "pre", "network", "post", "images/s"]
    header += ["in batches"] if batch else []
    header += ["memory MB", "parameters M", "multiply-adds G", "boxes", "file MB", "front"]
    return table(header, [_speed_row(one, batch=batch) for one in models])


def _speed_row(one: Document, *, batch: bool) -> list[str]:
    """Write the cells of one detector."""
    single, *more = one["speed"]
    peak, before = single["peak_memory_mb"], one["memory_before_mb"]
    memory = None if peak is None or before is None else max(peak - before, 0.0)
    phases = ("total_ms", "preprocess_ms", "network_ms", "postprocess_ms")
    batched = [short(more[-1]["images_per_second"] if more else None)] if batch else []
    return [
        one["name"],
        *(short(single[phase]) for phase in phases),
        short(single["images_per_second"]),
        *batched,
        short(memory),
        short(one["parameters"] / 1e6),
        short(one["macs"] / 1e9),
        f"{one['num_boxes']:,}",
        short(one["file_bytes"] / 1e6),
        "yes" if one["on_pareto_front"] else "",
    ]


def _pairs(document: Document) -> str:
    """Write the difference of each pair, the more accurate detector first."""
    header = ["differences of mAP", "difference", "low", "high", "p, adjusted", ""]
    return table(header, [_pair_row(one) for one in document["pairs"]])


def _pair_row(pair: Document) -> list[str]:
    """Write the cells of a pair, the more accurate detector minus the other."""
    numbers = [pair["difference"], pair["low"], pair["high"]]
    first, second = pair["first"], pair["second"]
    if (numbers[0] or 0) < 0:
        first, second = second, first
        numbers = [None if one is None else -one for one in (numbers[0], numbers[2], numbers[1])]
    verdict = "better" if pair["differs"] else "not significant"
    signed = ["-" if one is None else f"{one:+.3f}" for one in numbers]
    return [f"{first} - {second}", *signed, number(pair["p_value_adjusted"]), verdict]


def _published(figures: Sequence[Document]) -> str:
    """Write the published numbers of the original systems."""
    header = ["published, not measured here", "metric", "value", "data or hardware", "source"]
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


def _published_trade_offs(trade_offs: Sequence[Document]) -> str:
    """Write published accuracy and speed by framework and feature extractor."""
    header = ["published, not measured here", "extractor", "COCO AP", "ms", "data", "source"]
    rows = [
        [
            one["framework"],
            " ".join(filter(None, [one["extractor"], one["variant"]])),
            f"{one['average_precision']:g}",
            "-" if one["milliseconds"] is None else f"{one['milliseconds']:g}",
            ", ".join(filter(None, [one["data"], one["hardware"]])),
            one["source"],
        ]
        for one in trade_offs
    ]
    return table(header, rows)


def format_tutorial(document: Document) -> str:
    """Write the tutorial's tables as printed, and the measurements of every system."""
    machine = document["machine"]
    head = (
        f"measured on {machine['processor']}, {machine['threads']} threads, device "
        f"{machine['device']}: networks at the paper's input with random weights; images/s without "
        f"postprocessing"
    )
    parts = [head, _systems(document), *map(_printed_table, document["tables"])]
    errata = "\n".join(f"[{name}] {text}" for name, text in document["errata"].items())
    return "\n\n".join([*parts, errata])


def _systems(document: Document) -> str:
    """Write the measurements of every system."""
    header = ["measured here", "input", "boxes", "parameters M", "multiply-adds G", "pre"]
    header += ["network", "images/s", "memory MB", "published boxes"]
    header += ["AP50 of the run"] if document["data"] else []
    return table(header, [_system_row(one, document) for one in document["systems"]])


def _system_row(one: Document, document: Document) -> list[str]:
    """Write the cells of one system."""
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


def _printed_table(quoted: Document) -> str:
    """Write one table of the tutorial as printed."""
    title = f"as printed: {quoted['title']}{_marks(quoted['notes'])}"
    rows = [[row["name"], *map(_marked, row["cells"])] for row in quoted["rows"]]
    header = [title, *map(_marked, quoted["printed"])]
    return table(header, rows)


def _marked(cell: Document) -> str:
    """Write a cell with its notes."""
    return f"{cell['cell']}{_marks(cell['notes'])}"


def _marks(notes: Sequence[str]) -> str:
    """Write the keys of errata."""
    return "".join(f" [{note}]" for note in notes)
