"""The course of a quantisation: lines for the user, a table, and a part of the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from singleshot.exporting.quantization.gate import Measurement
from singleshot.exporting.quantization.sensitivity import LayerGroup
from singleshot.exporting.quantization.settings import QuantizationSetting

__all__ = ["QuantizationRecord", "TriedSetting"]

NUM_RANKED = 10  # groups of layers in the record


@dataclass(frozen=True, slots=True)
class TriedSetting:
    """One setting that was tried."""

    setting: QuantizationSetting
    measured: Measurement
    passes: bool

    def __str__(self) -> str:
        return f"{self.setting}: {self.measured}: {'passes' if self.passes else 'does not pass'}"

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers; None for one that is not finite."""
        layers = sorted(self.setting.float_layers)
        numbers = asdict(self.measured).items()
        return {
            "setting": str(self.setting),
            **{name: one if one is None or isfinite(one) else None for name, one in numbers},
            "float_layers": layers,
            "passes": self.passes,
        }


@dataclass
class QuantizationRecord:
    """The course of a quantisation."""

    calibration: str  # which images
    calibration_images: int
    evaluation: str
    evaluation_images: int
    average_precision: float | None  # in floating point
    max_drop: float
    max_error: float
    trials: list[TriedSetting] = field(default_factory=list)
    ranking: Sequence[LayerGroup] = ()  # by sensitivity; empty where it was not needed

    @property
    def chosen(self) -> TriedSetting | None:
        """The setting that passed."""
        return next((trial for trial in self.trials if trial.passes), None)

    def table(self) -> str:
        """Lay out what was tried, a line each."""
        lines = [f"{'AP':>6} {'drop':>6} {'interval':>14} {'offsets':>8} {'logits':>8}  setting"]
        if self.average_precision is not None:
            lines.append(f"{100 * self.average_precision:6.2f}{'':40}  in floating point")
        for trial in self.trials:
            one = trial.measured
            ap = "" if one.average_precision is None else f"{100 * one.average_precision:.2f}"
            drop = "" if one.drop is None else f"{one.drop:+.2f}"
            interval = "" if one.drop_low is None else f"{one.drop_low:+.2f} … {one.drop_high:+.2f}"
            lines.append(
                f"{ap:>6} {drop:>6} {interval:>14} {one.offsets_error:8.3f} "
                f"{one.logits_error:8.3f}  {trial.setting}"
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain numbers for the manifest."""
        names = (
            "calibration",
            "calibration_images",
            "evaluation",
            "evaluation_images",
            "average_precision",
            "max_drop",
            "max_error",
        )
        return {
            **{name: getattr(self, name) for name in names},
            "trials": [trial.to_json() for trial in self.trials],
            "ranking": [asdict(group) for group in self.ranking[:NUM_RANKED]],
        }
