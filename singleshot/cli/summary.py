"""An evaluation for a person: tables, from the document that `--json` prints."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from singleshot.report.text import number, table

__all__ = ["summary"]

Document = Mapping[str, Any]
MOST_CONFUSIONS = 10
MOST_IMAGES = 5


def summary(document: Document) -> str:
    """The whole first, then every class, then what was asked besides."""
    iou_threshold = f"IoU {document['iou_threshold']:g}"
    counts = (
        f"protocol {document['protocol']}: {document['images']} images, "
        f"{document['truths']} truths, {document['detections']} detections; "
        f"true positives from {iou_threshold}"
    )
    of_coco = "IoU 0.5 to 0.95" if "coco" in document else iou_threshold
    mean = f"mean average precision at {of_coco}: {number(document['mean_average_precision'])}"
    parts = [f"{counts}\n{mean}"]
    for key, describe in DESCRIBED.items():
        if document.get(key):
            parts += describe(document[key])
    return "\n\n".join(parts)


def coco_numbers(numbers: Document) -> list[str]:
    """COCO's twelve numbers, as their own small table."""
    return [table(["COCO", *numbers], [["", *map(number, numbers.values())]])]


def classes(per_class: Document) -> list[str]:
    """One line a class: AP, precision at recall, recall at precision, best F1."""
    first = next(iter(per_class.values()))
    header = [
        "class",
        "truths",
        "AP",
        *(f"P@R{recall}" for recall in first["precision_at_recall"]),
        *(f"R@P{precision}" for precision in first["recall_at_precision"]),
        "best F1",
        "at score",
    ]
    return [table(header, [class_row(name, found) for name, found in per_class.items()])]


def class_row(name: str, found: Document) -> list[str]:
    """The cells of one class."""
    return [
        name,
        str(found["truths"]),
        number(found["average_precision"]),
        *map(reached, found["precision_at_recall"].values()),
        *map(reached, found["recall_at_precision"].values()),
        number(found["best_f1"]["f1"]),
        number(found["best_f1"]["score_threshold"]),
    ]


def reached(value: float | None) -> str:
    """A precision or recall that can be had; 0 says that no threshold reaches what is asked."""
    return "never" if value == 0 else number(value)


def comparison(document: Document) -> list[str]:
    """How much better than the others, of all and of each class."""
    header = [
        "against the others",
        "images",
        "AP, difference",
        *(f"{end} of {document['confidence']:.0%}" for end in ("low", "high")),
        "better in redrawn sets",
    ]
    named = {"all classes": document["mean_average_precision"], **document["per_class"]}
    return [table(header, [interval_row(name, one) for name, one in named.items()])]


def interval_row(name: str, interval: Document) -> list[str]:
    """A difference with its interval; how many of the redrawn test sets it is positive in."""
    share = interval["share_positive"]
    ends = (signed(interval[key]) for key in ("difference", "low", "high"))
    better = "-" if share is None else f"{share:.1%}"
    return [name, str(interval["images"]), *ends, better]


def operating_point(document: Document) -> list[str]:
    """The score thresholds that a rule comes to, and what they reach."""
    header = [document["rule"], "from score", "precision", "recall", "FPPI", "true positives"]
    keys = ("score_threshold", "precision", "recall", "false_positives_per_image")
    rows = [
        [name, *(number(choice[key]) for key in keys), str(choice["true_positives"])]
        for name, choice in document["per_class"].items()
    ]
    return [table(header, rows)]


def signed(value: float | None) -> str:
    """A difference, with its sign."""
    return "-" if value is None else f"{value:+.3f}"


def diagnosis(document: Document) -> list[str]:
    """Where it goes wrong: what to mend first, and which images to look at."""
    parts = [errors(document), *confusions(document), *calibration(document), slices(document)]
    parts += miss_rates(document)
    hardest = ["hardest images, at best F1", "missed", "false positives"]
    suspects = ["suspected label errors", "what", "class", "score"]
    parts += images(hardest, document["hardest"], hard_row)
    parts += images(suspects, document["suspects"], suspect_row)
    return parts


def errors(document: Document) -> str:
    """TIDE's six kinds, and what fixing each would gain."""
    rows = [[one["error"], str(one["count"]), signed(one["gain"])] for one in document["errors"]]
    at = f"IoU {document['iou_threshold']:g}"
    return table(["errors of all detections", "count", f"AP at {at} if fixed"], rows)


def confusions(document: Document) -> list[str]:
    """The classes most often taken for another, with the counts; nothing when none is."""
    names = document["class_names"]
    pairs = [
        (count, annotated, found)
        for annotated, row in zip(names, document["confusion"], strict=False)
        for found, count in zip(names, row, strict=False)
        if count and annotated != found
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:MOST_CONFUSIONS]
    rows = [[annotated, found, str(count)] for count, annotated, found in worst]
    return [table(["annotated as", "found as", "times"], rows)] if rows else []


def calibration(document: Document) -> list[str]:
    """How far scores are from the share of hits."""
    found = document["calibration"]
    if found is None:
        return []
    return [
        f"scores of {found['score_floor']:g} and more are off by {number(found['expected_error'])} "
        f"on average (ECE of {found['count']} detections), "
        f"{number(found['expected_error_after'])} at temperature {found['temperature']:.2f}"
    ]


def slices(document: Document) -> str:
    """What it is worth on parts of the data."""
    rows = [
        [
            f"{one['by']}: {one['name'] or 'unknown'}",
            str(one["images"]),
            str(one["truths"]),
            number(one["average_precision"]),
            number(one["recall"]),
        ]
        for one in document["slices"]
    ]
    at = f"IoU {document['iou_threshold']:g}"
    return table(["slice", "images", "truths", f"AP at {at}", "recall at best F1"], rows)


def miss_rates(document: Document) -> list[str]:
    """Misses against false positives per image, as pedestrian detectors are judged."""
    rates = document["log_average_miss_rates"]
    if all(rate is None for rate in rates.values()):
        return []
    rows = [[name, number(rate)] for name, rate in rates.items()]
    return [table(["class", "log-average miss rate"], rows)]


def images(
    header: Sequence[str], entries: Sequence[Document], row: Callable[[Document], list[str]]
) -> list[str]:
    """The first few of a list of images; nothing where there is none."""
    if not entries:
        return []
    more = f"\n… and {len(entries) - MOST_IMAGES} more" if len(entries) > MOST_IMAGES else ""
    return [table(header, [row(entry) for entry in entries[:MOST_IMAGES]]) + more]


def hard_row(entry: Document) -> list[str]:
    """What went wrong in an image."""
    return [entry["name"], str(entry["false_negatives"]), str(entry["false_positives"])]


def suspect_row(entry: Document) -> list[str]:
    """An annotation to look at."""
    return [entry["name"], entry["kind"], entry["label"], number(entry["score"])]


# In the order in which they are told.
DESCRIBED = {
    "coco": coco_numbers,
    "per_class": classes,
    "operating_point": operating_point,
    "comparison": comparison,
    "diagnosis": diagnosis,
}
