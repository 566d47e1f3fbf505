"""Settings of int8 quantisation: the ways of quantising a network after training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Calibration", "QuantizationSetting", "ladder_of"]

Calibration = Literal["minmax", "percentile", "mean"]

_DESCRIPTIONS: dict[Calibration, str] = {
    "minmax": "ranges that occurred",
    "percentile": "ranges without their outermost 0.001 %",
    "mean": "mean ranges of the images",
}


@dataclass(frozen=True, slots=True)
class QuantizationSetting:
    """One way of quantising a network after training.

    `calibration` is how the range of a feature map follows from those in the calibration images:
    the extremes of all, without their outermost 0.001 %, or the mean of the images' extremes.
    """

    calibration: Calibration = "minmax"
    correct_biases: bool = True  # so that the mean of each channel stays as it was
    per_channel: bool = True  # a scale for each output channel of the weights
    # Names of convolutions of the network that stay in floating point.
    float_layers: frozenset[str] = frozenset()

    def __str__(self) -> str:
        weights = "per-channel" if self.per_channel else "per-tensor"
        words = [f"{weights} weights, {_DESCRIPTIONS[self.calibration]}"]
        if self.correct_biases:
            words.append("biases corrected")
        if self.float_layers:
            layers = "layer" if len(self.float_layers) == 1 else "layers"
            words.append(f"{len(self.float_layers)} {layers} in floating point")
        return ", ".join(words)

    def keeping(self, layers: frozenset[str]) -> QuantizationSetting:
        """Copy the setting with these layers in floating point."""
        return replace(self, float_layers=layers)


def ladder_of(*calibrations: Calibration) -> tuple[QuantizationSetting, ...]:
    """Make the settings that a format tries in turn, from the kinds of calibration it has.

    Corrected biases come first: they cost seconds, and nothing on the device (`docs/how-to`).
    """
    first, *others = calibrations
    return (
        QuantizationSetting(first),
        *(QuantizationSetting(other) for other in others),
        QuantizationSetting(first, correct_biases=False),
    )
