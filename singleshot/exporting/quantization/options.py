"""Options of int8 quantisation, which `export` has among its own."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from singleshot.data.reading import ReadingOptions
from singleshot.errors import SingleshotError
from singleshot.options import option
from singleshot.runs.reporting import WithMessages

__all__ = ["QuantizationOptions"]


@dataclass(frozen=True)
class QuantizationOptions(WithMessages, ReadingOptions):
    """Images to calibrate on, images to measure AP on, and the limits of the gate."""

    _: KW_ONLY
    int8: bool = field(
        default=False, metadata=option("Quantise to 8-bit integers; needs --calibrate.")
    )
    calibrate: str | Path | None = field(
        default=None,
        metadata=option(
            "Images to calibrate int8 on: a data set (train, else trainval, else everything), or "
            "a folder of images without annotations.",
            metavar="DATA",
        ),
    )
    calibration_images: int = field(
        default=128,
        metadata=option("Images to calibrate on, spread over them.", metavar="N", minimum=1),
    )
    evaluate: str | Path | None = field(
        default=None,
        metadata=option(
            "Data set to compare detections and AP on, before and after: test, else val, else "
            "all. Default with --int8: that of --calibrate, its images not calibrated on.",
            metavar="DATA",
        ),
    )
    max_drop: float = field(
        default=0.5,
        metadata=option("Most points of COCO's AP that int8 may lose.", metavar="P", minimum=0),
    )
    max_error: float = field(
        default=0.12,
        metadata=option(
            "Largest RMS error of int8's offsets and logits, relative to their RMS.",
            metavar="E",
            minimum=0,
        ),
    )

    def check_quantization(self) -> None:
        """Raise SingleshotError for images without a use, or int8 without images."""
        if self.int8 and self.calibrate is None:
            raise SingleshotError(
                "int8: name the images to calibrate on, those trained on: --calibrate DATA"
            )
        if self.calibrate is not None and not self.int8:
            raise SingleshotError("calibrate: there is nothing to calibrate without --int8")
