"""The page of a search: importance of each key, trials, and the reliability of the scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from singleshot.files import write_atomically
from singleshot.report.page import environment
from singleshot.tuning.plots import curves_panel, format_value, key_panels, progress_panel
from singleshot.tuning.search_space import SearchSpace
from singleshot.tuning.trials import Trial, best_of, spread_of

__all__ = ["SearchPage", "short_names", "write_search_page"]

MOST_ROWS = 10  # trials in the table
FEW_IMAGES = 50  # to evaluate on: with fewer, small differences are noise


@dataclass(frozen=True)
class SearchPage:
    """Content of a search page."""

    title: str
    trained_on: str  # description of the images
    evaluated_on: str
    num_evaluated_on: int  # images
    num_trials: int  # requested
    trials: Sequence[Trial]
    space: SearchSpace
    start: Mapping[str, object]  # the recipe's values of the keys that are searched
    importances: Mapping[str, float] | None
    train_command: str
    test_command: str
    command: str
    recipe: str  # the best one, as TOML; empty without any
    version: str


@dataclass(frozen=True)
class _Change:
    """A value of a trial that differs from the recipe's."""

    key: str
    before: str
    after: str


def write_search_page(page: SearchPage, path: Path) -> Path:
    """Write one HTML file that needs no other and no network."""
    with write_atomically(path) as partial:
        partial.write_text(_render(page), encoding="utf-8")
    return path


def _render(page: SearchPage) -> str:
    """Fill in the template; everything from outside is escaped."""
    trials, best = page.trials, best_of(page.trials)
    start = next((one for one in trials if one.is_start and one.outcome == "finished"), None)
    filled = environment(Path(__file__).parent)
    filled.filters |= {"value": format_value}
    return filled.get_template("search.html").render(
        page=page,
        best=best,
        start=start,
        spread=spread_of(trials),
        count=lambda outcome: sum(one.outcome == outcome for one in trials),
        num_done=sum(one.outcome in {"finished", "pruned", "failed"} for one in trials),
        duration=_duration(sum(one.seconds or 0.0 for one in trials)),
        few_images=page.num_evaluated_on < FEW_IMAGES,
        rows=[(one, _changes(one, page.start)) for one in _by_score(trials)[:MOST_ROWS]],
        failed=[one for one in trials if one.outcome == "failed"],
        keys=_by_importance(page),
        progress=progress_panel(trials),
        curves=curves_panel(trials),
        panels=key_panels(trials, page.space, page.importances),
        duration_of=_duration,
    )


def _by_score(trials: Sequence[Trial]) -> list[Trial]:
    """Sort the finished trials, best first."""
    finished = [one for one in trials if one.outcome == "finished"]
    return sorted(finished, key=lambda one: (-(one.score or 0.0), one.number))


def _by_importance(page: SearchPage) -> list[str]:
    """Sort the searched keys, the most important first."""
    return sorted(page.space, key=lambda key: -(page.importances or {}).get(key, 0.0))


def _changes(trial: Trial, start: Mapping[str, object]) -> list[_Change]:
    """List the values of a trial that differ from the recipe's."""
    short = short_names(start)
    return [
        _Change(short[key], format_value(start[key]), format_value(value))
        for key, value in trial.values.items()
        if format_value(value) != format_value(start[key])
    ]


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Shorten each key to an end that no other key has: `learning_rate`, `expand.probability`."""
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


def _duration(seconds: float) -> str:
    """Write seconds as h:mm:ss."""
    return str(timedelta(seconds=round(seconds)))
