"""The settings of a quantisation in turn: what to try next where one does not pass.

First come the settings of the format. Then the best of them with the layers in floating point that
the ranking has first: one, two, four … groups of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from singleshot.errors import RunFailed
from singleshot.exporting.formats.format import Int8Support
from singleshot.exporting.quantization.images import FEW_CALIBRATED
from singleshot.exporting.quantization.record import QuantizationRecord, TriedSetting
from singleshot.exporting.quantization.sensitivity import LayerGroup
from singleshot.exporting.quantization.settings import QuantizationSetting

__all__ = ["find_setting"]

MOST_FLOAT = 0.5  # of the groups of layers; beyond it int8 saves too little

Notify = Callable[[str], None]
Rank = Callable[[], Sequence[LayerGroup]]  # most sensitive first


def find_setting(
    int8: Int8Support,
    try_setting: Callable[[QuantizationSetting], TriedSetting],
    rank: Rank,
    record: QuantizationRecord,
    notify: Notify,
) -> QuantizationSetting:
    """Return the first setting that passes; all that are tried are added to the record.

    Raises RunFailed, with the table of what was tried, where none passes.
    """
    for setting in _settings(int8, rank, record, notify):
        trial = try_setting(setting)
        record.trials.append(trial)
        notify(f"int8: {trial}")
        if trial.passes:
            return setting
    images = record.calibration_images
    more = f"calibrate on 100 images or more, not {images}; " if images < FEW_CALIBRATED else ""
    raise RunFailed(
        f"int8: no setting passes (AP drop up to {record.max_drop} points, errors up to "
        f"{record.max_error}); nothing is written\n{record.table()}\n"
        f"do: {more}train the detector with the rounding of int8 (singleshot train RECIPE "
        f"--init MODEL --quantize) and export that; or permit more with --max-drop and --max-error"
    )


def _settings(
    int8: Int8Support, rank: Rank, record: QuantizationRecord, notify: Notify
) -> Iterator[QuantizationSetting]:
    """Yield one setting after the other; those before it are in the record."""
    yield from int8.ladder
    if not int8.mixed_precision:
        return
    record.ranking = ranking = rank()
    worst = ", ".join(f"{group.name} ({group.error:.3f})" for group in ranking[:4])
    notify(f"int8: the layers whose rounding alone changes the outputs most: {worst}")
    best = min(record.trials, key=lambda trial: trial.measured.error).setting
    number = 1
    while number <= MOST_FLOAT * len(ranking):
        kept = ranking[:number]
        share = sum(group.share for group in kept)
        notify(f"int8: keeping {_names(kept)} in floating point, {share:.0%} of the multiply-adds")
        yield best.keeping(frozenset(layer for group in kept for layer in group.layers))
        number *= 2


def _names(groups: Sequence[LayerGroup]) -> str:
    """Name the first three groups."""
    names = ", ".join(group.name for group in groups[:3])
    more = len(groups) - 3
    return f"{names} and {more} more" if more > 0 else names
