"""The page of a search: what mattered, what was tried, and what to believe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from singleshot.files import write_atomically
from singleshot.report.page import environment
from singleshot.tuning.plots import course_panel, curves_panel, key_panels, written
from singleshot.tuning.search_space import SearchSpace
from singleshot.tuning.trial_tables import Trial, best_of, spread_of

__all__ = ["SearchPage", "write_search_report"]

SHOWN = 10  # trials in the table
FEW_IMAGES = 50  # to judge on: fewer say little about small differences


@dataclass(frozen=True)
class SearchPage:
    """What a report on a search shows."""

    title: str
    trained_on: str  # in words
    judged_on: str
    num_judged_on: int  # images
    num_wanted: int  # trials
    trials: Sequence[Trial]
    space: SearchSpace
    start: Mapping[str, object]  # what the recipe says where values were searched
    importances: Mapping[str, float] | None
    train_command: str
    test_command: str
    command: str
    recipe: str  # the best one, as TOML; empty without any
    version: str


@dataclass(frozen=True)
class Change:
    """What a trial does differently from the recipe."""

    key: str
    before: str
    after: str


def write_search_report(page: SearchPage, path: Path) -> Path:
    """Write one HTML file that needs no other and no network; returns its path."""
    with write_atomically(path) as beside:
        beside.write_text(render(page), encoding="utf-8")
    return path


def render(page: SearchPage) -> str:
    """Fill in the page; everything from outside is escaped."""
    trials, best = page.trials, best_of(page.trials)
    start = next((one for one in trials if one.is_start and one.outcome == "finished"), None)
    filled = environment(Path(__file__).parent)
    filled.filters |= {"written": written}
    return filled.get_template("search.html").render(
        page=page,
        best=best,
        start=start,
        spread=spread_of(trials),
        count=lambda outcome: sum(one.outcome == outcome for one in trials),
        num_done=sum(one.outcome in {"finished", "pruned", "failed"} for one in trials),
        hours=in_hours(sum(one.seconds or 0.0 for one in trials)),
        few_images=page.num_judged_on < FEW_IMAGES,
        rows=[(one, changes(one, page.start)) for one in ranked(trials)[:SHOWN]],
        nothing=[one for one in trials if one.outcome == "failed"],
        keys=in_order(page),
        course=course_panel(trials),
        curves=curves_panel(trials),
        panels=key_panels(trials, page.space, page.importances),
        in_hours=in_hours,
    )


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The finished ones, best first."""
    finished = [one for one in trials if one.outcome == "finished"]
    return sorted(finished, key=lambda one: (-(one.score or 0.0), one.number))


def in_order(page: SearchPage) -> list[str]:
    """The keys that were searched, what mattered most first."""
    return sorted(page.space, key=lambda key: -(page.importances or {}).get(key, 0.0))


def changes(trial: Trial, start: Mapping[str, object]) -> list[Change]:
    """What a trial does differently."""
    short = short_names(start)
    return [
        Change(short[key], written(start[key]), written(value))
        for key, value in trial.values.items()
        if written(value) != written(start[key])
    ]


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """The end of each key that no other key has: `learning_rate`, `expand.probability`."""
    parts = {key: key.split(".") for key in keys}

    def ending(key: str, length: int) -> str:
        return ".".join(parts[key][-length:])

    return {
        key: next(
            ending(key, length)
            for length in range(1, len(parts[key]) + 1)
            if sum(ending(other, length) == ending(key, length) for other in parts) == 1
        )
        for key in parts
    }


def in_hours(seconds: float) -> str:
    """As a clock shows it."""
    return str(timedelta(seconds=round(seconds)))
