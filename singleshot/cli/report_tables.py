"""Tables of an evaluation in the terminal, made from the document that `--json` prints.

The table of classes has a column for every number in the document, those of a new metric included.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from singleshot.report.text import number, table

__all__ = ["format_report"]

Document = Mapping[str, Any]
MOST_CONFUSIONS = 10
MOST_IMAGES = 5


def format_report(document: Document) -> str:
    """Write totals first, then every class, then the optional parts."""
    iou_threshold = f"IoU {document['iou_threshold']:g}"
    counts = (
        f"protocol {document['protocol']}: {document['images']} images, "
        f"{document['truths']} truths, {document['detections']} detections; "
        f"true positives from {iou_threshold}"
    )
    of_coco = "IoU 0.5 to 0.95" if "coco" in document else iou_threshold
    mean = f"mean average precision at {of_coco}: {number(document['mean_average_precision'])}"
    how_sure = _confidence(document.get("confidence_interval"))
    parts = ["\n".join([counts, mean, *how_sure])]
    for key, describe in _PARTS.items():
        if document.get(key):
            parts += describe(document[key])
    return "\n\n".join(parts)


def _confidence(interval: Document | None) -> list[str]:
    """Write the confidence intervals in one line; nothing where there are none."""
    if interval is None or interval["mean_average_precision"]["low"] is None:
        return []
    names = {"mean_average_precision": "", "AP50": ", of AP50 "}
    ends = "".join(
        f"{name}{number(interval[key]['low'])} to {number(interval[key]['high'])}"
        for key, name in names.items()
        if key in interval
    )
    return [
        f"its {interval['confidence']:.0%} confidence interval: {ends} "
        f"(bootstrap over images, {interval['images']} with objects)"
    ]


def _coco_numbers(numbers: Document) -> list[str]:
    """Write COCO's twelve numbers."""
    return [table(["COCO", *numbers], [["", *map(number, numbers.values())]])]


# Columns of the class table; a metric without an entry has columns of its own name.
_HEADERS = {
    "truths": "truths",
    "average_precision": "AP",
    "precision_at_recall": "P@R{}",
    "recall_at_precision": "R@P{}",
}


def _classes(per_class: Document) -> list[str]:
    """Write one line a class with all its metrics."""
    rows = [{"class": name, **_class_row(numbers)} for name, numbers in per_class.items()]
    return [table(list(rows[0]), [list(row.values()) for row in rows])]


def _class_row(numbers: Document) -> dict[str, str]:
    """List the columns of one class, the number of truths first."""
    row = {"truths": str(numbers["truths"])}
    for metric, value in numbers.items():
        header = _HEADERS.get(metric, metric)
        if metric == "best_f1":
            row |= {"best F1": number(value["f1"]), "at score": number(value["score_threshold"])}
        elif isinstance(value, Mapping):
            named = header if "{}" in header else f"{header} {{}}"
            row |= {named.format(target): _or_never(one) for target, one in value.items()}
        elif metric != "truths":
            row[header] = number(value)
    return row


def _or_never(value: float | None) -> str:
    """Write a precision or recall; 0 means that no threshold reaches the target."""
    return "never" if value == 0 else number(value)


def _comparison(document: Document) -> list[str]:
    """Write the difference to other predictions, of all classes and of each."""
    header = [
        "against the others",
        "images",
        "AP, difference",
        *(f"{end} of {document['confidence']:.0%}" for end in ("low", "high")),
        "better in resamples",
    ]
    named = {"all classes": document["mean_average_precision"], **document["per_class"]}
    return [table(header, [_interval_row(name, one) for name, one in named.items()])]


def _interval_row(name: str, interval: Document) -> list[str]:
    """Write a difference with its interval and the share of resamples where it is positive."""
    share = interval["share_positive"]
    ends = (_signed(interval[key]) for key in ("difference", "low", "high"))
    better = "-" if share is None else f"{share:.1%}"
    return [name, str(interval["images"]), *ends, better]


def _operating_point(document: Document) -> list[str]:
    """Write the score thresholds chosen by a rule, with their precision, recall and FPPI."""
    header = [document["rule"], "from score", "precision", "recall", "FPPI", "true positives"]
    keys = ("score_threshold", "precision", "recall", "false_positives_per_image")
    rows = [
        [name, *(number(choice[key]) for key in keys), str(choice["true_positives"])]
        for name, choice in document["per_class"].items()
    ]
    return [table(header, rows)]


def _signed(value: float | None) -> str:
    """Write a difference with its sign."""
    return "-" if value is None else f"{value:+.3f}"


def _diagnosis(document: Document) -> list[str]:
    """Write the analysis of errors: types, confusions, calibration, slices, images."""
    parts = [_errors(document), *_confusions(document), *_calibration(document), _slices(document)]
    parts += _miss_rates(document)
    hardest = ["hardest images, at best F1", "false negatives", "false positives"]
    suspects = ["suspected label errors", "what", "class", "score"]
    parts += _images(hardest, document["hardest"], _hard_row)
    parts += _images(suspects, document["suspects"], _suspect_row)
    return parts


def _errors(document: Document) -> str:
    """Write TIDE's six error types with the gain of fixing each."""
    kept = document["errors_at_score_thresholds"]
    rows = [
        [one["error"], str(kept[one["error"]]), str(one["count"]), _signed(one["gain"])]
        for one in document["errors"]
    ]
    at = f"IoU {document['iou_threshold']:g}"
    return table(["errors", "at best F1", "at any score", f"AP at {at} if fixed"], rows)


def _confusions(document: Document) -> list[str]:
    """Write the most frequent confusions of two classes; nothing without any."""
    names = document["class_names"]
    pairs = [
        (count, annotated, found)
        for annotated, row in zip(names, document["confusion"], strict=False)
        for found, count in zip(names, row, strict=False)
        if count and annotated != found
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:MOST_CONFUSIONS]
    rows = [[annotated, found, str(count)] for count, annotated, found in worst]
    return [table(["annotated as", "detected as", "times"], rows)] if rows else []


def _calibration(document: Document) -> list[str]:
    """Write the calibration error of the scores."""
    found = document["calibration"]
    if found is None:
        return []
    return [
        f"scores of {found['score_floor']:g} and more are off by {number(found['expected_error'])} "
        f"on average (ECE of {found['count']} detections), "
        f"{number(found['expected_error_after'])} at temperature {found['temperature']:.2f}"
    ]


def _slices(document: Document) -> str:
    """Write accuracy on parts of the data."""
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


def _miss_rates(document: Document) -> list[str]:
    """Write the log-average miss rate of each class."""
    rates = document["log_average_miss_rates"]
    if all(rate is None for rate in rates.values()):
        return []
    rows = [[name, number(rate)] for name, rate in rates.items()]
    return [table(["class", "log-average miss rate"], rows)]


def _images(
    header: Sequence[str], entries: Sequence[Document], row: Callable[[Document], list[str]]
) -> list[str]:
    """Write the first few of a list of images; nothing without any."""
    if not entries:
        return []
    more = f"\n… and {len(entries) - MOST_IMAGES} more" if len(entries) > MOST_IMAGES else ""
    return [table(header, [row(entry) for entry in entries[:MOST_IMAGES]]) + more]


def _hard_row(entry: Document) -> list[str]:
    """Write the errors in one image."""
    return [entry["name"], str(entry["false_negatives"]), str(entry["false_positives"])]


def _suspect_row(entry: Document) -> list[str]:
    """Write one suspected label error."""
    return [entry["name"], entry["kind"], entry["label"], number(entry["score"])]


# In the order of the output.
_PARTS = {
    "coco": _coco_numbers,
    "per_class": _classes,
    "operating_point": _operating_point,
    "comparison": _comparison,
    "diagnosis": _diagnosis,
}
