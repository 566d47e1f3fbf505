"""Tables of a coverage for the terminal, from the document that `--json` prints."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from singleshot.report.text import number, table

__all__ = ["format_coverage"]

Document = Mapping[str, Any]
BAR = 40  # letters of the longest bar


def format_coverage(document: Document) -> str:
    """Write coverage by class, size and level, its histogram, remarks, and what a fit gains."""
    height, width = document["input"]
    head = (
        f"{document['recipe']}, input {height} x {width} (height x width), "
        f"{document['priors']:,} priors\n"
        f"{document['data']}: {document['images']:,} images, {document['objects']:,} objects"
    )
    parts = [head, _objects(document), _levels(document["levels"]), _histogram(document)]
    if document["remarks"]:
        parts.append("\n".join(f"- {remark}" for remark in document["remarks"]))
    if document["fit"] is not None:
        parts.append(_fit(document["fit"]))
    return "\n\n".join(parts)


def _objects(document: Document) -> str:
    """Write the coverage of all objects, of each class and of each size."""
    rows = [["all objects", *_overlap(document)]]
    if len(document["per_class"]) > 1:
        rows += [[name, *_overlap(one)] for name, one in document["per_class"].items()]
    bounds = {"small": "below 32 x 32", "medium": "to 96 x 96", "large": "from 96 x 96"}
    rows += [
        [f"{name}, {bounds[name]} pixels of the input", *_overlap(one)]
        for name, one in document["per_size"].items()
    ]
    return table(["coverage", "objects", "recall at IoU 0.5", "mean best IoU"], rows)


def _overlap(one: Document) -> list[str]:
    return [f"{one['objects']:,}", number(one["recall"]), number(one["mean_best_iou"])]


def _levels(levels: Sequence[Document]) -> str:
    """Write the priors of each level, and the share of objects that it covers best."""
    rows = [
        [
            "{} x {}".format(*level["grid"]),
            f"{level['share']:.1%}",
            number(level["recall"]),
            number(level["mean_best_iou"]),
            ", ".join(f"{width:.0f}x{height:.0f}" for width, height in level["shapes"]),
        ]
        for level in levels
    ]
    header = ["level", "covers best", "recall", "mean IoU", "priors (width x height)"]
    return table(header, rows)


def _histogram(document: Document) -> str:
    """Draw the numbers of objects by their best IoU."""
    counts = document["histogram"]
    most = max(*counts, 1)
    filled = [index for index, count in enumerate(counts) if count]
    rows = [
        f"{index / len(counts):.2f}  {'#' * -(-BAR * count // most):{BAR}}  {count:,}".rstrip()
        for index, count in enumerate(counts)
        if min(filled, default=0) <= index <= max(filled, default=0)
    ]
    return "\n".join(["best IoU, and objects from there to the next line", *rows])


def _fit(fit: Document) -> str:
    """Write what the fitted priors gain, and on which objects."""
    rows = [[gain["data"], *_gain(gain)] for gain in fit["gains"]]
    header = ["fitted priors", "objects", "recall before", "after", "mean IoU before", "after"]
    height, width = fit["input"]
    return "\n\n".join(
        [
            table(header, rows),
            _levels(fit["coverage"]["levels"]),
            f"input {height} x {width}; written to {fit['recipe']}",
        ]
    )


def _gain(gain: Document) -> Iterator[str]:
    """Write the cells of one line."""
    before, after = gain["before"], gain["after"]
    yield f"{after['objects']:,}"
    for key in ("recall", "mean_best_iou"):
        yield number(before[key])
        yield number(after[key])
