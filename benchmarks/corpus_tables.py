"""Tables of the corpus, mean and standard deviation over the seeds, and a plot of its curves."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from benchmarks import sweep

__all__ = ["BASES", "Results", "plot_curves", "tables"]

BASES = ("peer", "default")  # contestants that the others are compared with
NUMBERS = ("AP50", "AP", "APs")
COLOURS = ("teal", "darkorange", "slateblue", "crimson", "olive", "gray")
WIDTH, HEIGHT, MARGIN, LETTERS = 300, 220, 40, 11  # of the plot of one data set, user units


@dataclass(frozen=True)
class Results:
    """Lines of the output, one a training."""

    lines: Sequence[dict[str, Any]]

    def names(self, key: str) -> list[Any]:
        """Return the values of a key in the order of the lines."""
        return list(dict.fromkeys(line[key] for line in self.lines))

    def select(self, **values: Any) -> "Results":
        """Return the lines that have these values."""
        chosen = [
            line for line in self.lines if all(line[key] == one for key, one in values.items())
        ]
        return Results(chosen)

    def numbers(self, key: str) -> list[float]:
        """Return the values of a key; a line without it, or with None, is left out."""
        return [line[key] for line in self.lines if line.get(key) is not None]

    def mean(self, key: str) -> float | None:
        """Return the mean of a key; None without a value."""
        numbers = self.numbers(key)
        return statistics.fmean(numbers) if numbers else None

    def corpus(self, key: str, contestant: str, sets: Sequence[str]) -> list[float]:
        """Return for each seed the mean over the data sets; a seed that lacks one is left out."""
        of = self.select(contestant=contestant)
        means = []
        for seed in sorted(of.names("seed")):
            own = [of.select(seed=seed, set=name).mean(key) for name in sets]
            known = [one for one in own if one is not None]
            if len(known) == len(sets) and known:
                means.append(statistics.fmean(known))
        return means


def tables(results: Results) -> Iterator[str]:
    """Yield the lines of all tables that there are results for."""
    whole = results.select(images=None)
    if whole.lines:
        for key in NUMBERS:
            yield from accuracy(whole, key)
        for base in BASES:
            yield from differences(whole, base)
        yield from detectors(whole)
    if len(results.names("images")) > 1 or not whole.lines:
        for key in NUMBERS[:2]:
            yield from curves(results, key)


def accuracy(results: Results, key: str) -> Iterator[str]:
    """Tabulate one number: a row a data set, a column a contestant, then the mean of the sets."""
    contestants, names = results.names("contestant"), results.names("set")
    if not results.numbers(key):
        return
    yield from header([key, *contestants, "seeds"])
    for name in names:
        own = results.select(set=name)
        yield row([name, *cells(own, contestants, key), seeds(own, contestants)])
    common = sets_of_all(results, contestants, key)
    if common:
        means = [results.corpus(key, contestant, common) for contestant in contestants]
        about = "all" if len(common) == len(names) else ", ".join(common)
        texts = [spread(some) if some else "" for some in means]
        yield row([f"**mean of {about}**", *texts, " / ".join(str(len(some)) for some in means)])
    yield ""


def cells(results: Results, contestants: Sequence[str], key: str) -> list[str]:
    """Format the mean and deviation of each contestant; nothing where there is no value."""
    numbers = [results.select(contestant=name).numbers(key) for name in contestants]
    return [spread(some) if some else "" for some in numbers]


def spread(numbers: Sequence[float]) -> str:
    """Format mean and deviation; one number has none."""
    return sweep.spread(list(numbers)) if len(numbers) > 1 else f"{numbers[0]:.3f}"


def seeds(results: Results, contestants: Sequence[str]) -> str:
    """Count the seeds: one number where all contestants have as many."""
    counts = [len(results.select(contestant=name).lines) for name in contestants]
    return " / ".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))


def sets_of_all(results: Results, contestants: Sequence[str], key: str) -> list[str]:
    """Return the data sets that each contestant has a value of; others would skew the mean."""
    return [
        name
        for name in results.names("set")
        if all(results.select(set=name, contestant=one).numbers(key) for one in contestants)
    ]


def differences(results: Results, base: str) -> Iterator[str]:
    """Tabulate how far the others are from a base: the mean of the sets, and the least of them."""
    others = [name for name in results.names("contestant") if name not in (base, "peer")]
    rows = []
    for other in others:
        texts = [text for key in ("AP50", "AP") for text in difference(results, other, base, key)]
        if any(texts):
            rows.append(row([other, *texts]))
    if not rows:
        return
    columns = ["AP50, mean", "AP50, least", "AP, mean", "AP, least"]
    yield from header([f"minus {base}", *columns])
    yield from rows
    yield ""


def difference(results: Results, other: str, base: str, key: str) -> tuple[str, str]:
    """Format the mean difference over the sets that both have, and the least with its set."""
    gains = {}
    for name in results.names("set"):
        own = results.select(set=name)
        ours, theirs = (own.select(contestant=one).mean(key) for one in (other, base))
        if ours is not None and theirs is not None:
            gains[name] = ours - theirs
    if not gains:
        return "", ""
    least = min(gains, key=lambda name: gains[name])
    return f"{statistics.fmean(gains.values()):+.3f}", f"{gains[least]:+.3f} ({least})"


def detectors(results: Results) -> Iterator[str]:
    """Tabulate what was trained: input, size and speed, and the wall time of the whole process."""
    columns = ["input", "parameters", "GMAC", "ms an image", "steps", "minutes"]
    yield from header(["detector", *columns])
    for name in results.names("set"):
        for contestant in results.names("contestant"):
            own = results.select(set=name, contestant=contestant)
            if own.lines:
                yield row([f"{name}, {contestant}", *about(own)])
    yield ""


def about(results: Results) -> Iterator[str]:
    """Format what the trainings of one contestant on one data set have in common."""
    inputs = dict.fromkeys("×".join(map(str, line.get("input", ()))) for line in results.lines)
    yield " or ".join(inputs)
    formats = {
        "parameters": (1e-6, "{:.2f} M"),
        "gmac": (1, "{:.2f}"),
        "milliseconds": (1, "{:.1f}"),
        "steps": (1, "{:.0f}"),
        "seconds": (1 / 60, "{:.1f}"),
    }
    for key, (unit, text) in formats.items():
        mean = results.mean(key)
        yield "" if mean is None else text.format(mean * unit)


def curves(results: Results, key: str) -> Iterator[str]:
    """Tabulate learning curves: a row a data set and number of training images."""
    contestants = results.names("contestant")
    yield from header([f"{key} by training images", *contestants, "seeds"])
    for name in results.names("set"):
        own = results.select(set=name)
        for number in sorted(own.names("training_images")):
            of = own.select(training_images=number)
            texts = cells(of, contestants, key)
            yield row([f"{name}, {number}", *texts, seeds(of, contestants)])
    yield ""


def header(columns: Sequence[str]) -> Iterator[str]:
    yield row(columns)
    yield "|" + "---|" * len(columns)


def row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def plot_curves(results: Results) -> str:
    """Draw AP50 by training images as SVG: one chart a data set, one line a contestant."""
    names, contestants = results.names("set"), results.names("contestant")
    across = min(len(names), 3)
    down = math.ceil(len(names) / max(across, 1))
    width, height = WIDTH * max(across, 1), HEIGHT * down + 2 * LETTERS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="{LETTERS}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, contestant in enumerate(contestants):
        x, y = MARGIN + 110 * index, height - LETTERS
        parts.append(f'<path d="M{x} {y - 4}h20" stroke="{colour(index)}" stroke-width="2"/>')
        parts.append(label(x + 26, y, contestant))
    for index, name in enumerate(names):
        left, top = WIDTH * (index % across), HEIGHT * (index // across)
        parts.append(f'<g transform="translate({left} {top})">')
        parts += chart(name, results.select(set=name), contestants)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def chart(name: str, results: Results, contestants: Sequence[str]) -> Iterator[str]:
    """Draw the curves of a data set: images on a logarithmic axis, AP50 from 0 to 1."""
    numbers = sorted(results.names("training_images"))
    base, right = HEIGHT - MARGIN, WIDTH - MARGIN / 2
    yield label(MARGIN, MARGIN - 10, f"{name}: AP50 by training images")
    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = base - (base - MARGIN) * tick
        yield f'<path d="M{MARGIN} {y:.1f}H{right}" stroke="lightgray"/>'
        yield label(MARGIN - 5, y + 4, f"{tick:g}", "end")
    ends = math.log(numbers[0]), math.log(numbers[-1])

    def across(number: int) -> float:
        share = (math.log(number) - ends[0]) / ((ends[1] - ends[0]) or 1)
        return MARGIN + 10 + (right - MARGIN - 20) * share

    for number in numbers:
        yield label(across(number), base + 16, str(number), "middle")
    for index, contestant in enumerate(contestants):
        points = []
        for number in numbers:
            own = results.select(contestant=contestant, training_images=number).numbers("AP50")
            if not own:
                continue
            x, shade = across(number), colour(index)
            low, mean, high = (
                base - (base - MARGIN) * value
                for value in (min(own), statistics.fmean(own), max(own))
            )
            points.append(f"{x:.1f},{mean:.1f}")
            yield f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{shade}"/>'
            yield f'<circle cx="{x:.1f}" cy="{mean:.1f}" r="2.5" fill="{shade}"/>'
        yield (
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour(index)}" '
            'stroke-width="1.5"/>'
        )


def colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def label(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
