"""Options of `export`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal

from singleshot.errors import SingleshotError
from singleshot.exporting.quantization.options import QuantizationOptions
from singleshot.options import callback, option
from singleshot.runs.callbacks import OnMessage

__all__ = ["ExportOptions", "FormatName"]

FormatName = Literal["onnx", "openvino", "litert", "executorch", "ncnn", "vela", "rknn", "web"]


@dataclass(frozen=True)
class ExportOptions(QuantizationOptions):
    """Format and contract of an exported model."""

    to: FormatName = field(metadata=option("Format of the model."))
    _: KW_ONLY
    contract: Literal["raw", "decoded", "detections"] | None = field(
        default=None,
        metadata=option(
            "Outputs: 'raw', offsets and logits of each level, without reshaping; 'decoded', boxes "
            "and scores of all priors; 'detections', after NMS. Default: decoded, unless format or "
            "target has another."
        ),
    )
    pixels: Literal["uint8", "float32", "normalized"] | None = field(
        default=None,
        metadata=option(
            "Input: 'uint8', RGB bytes (b, h, w, 3); 'float32', (b, 3, h, w) from 0 to 255; "
            "'normalized', (b, 3, h, w) less the mean, by the deviation. Default: uint8 where the "
            "format has it."
        ),
    )
    batch: int = field(
        default=1, metadata=option("Images at once; 0: any number.", metavar="N", minimum=0)
    )
    half: bool = field(
        default=False, metadata=option("Compute in 16-bit floats, where the format has them.")
    )
    threads: int = field(
        default=0,
        metadata=option(
            "Threads of the runtime when the model is timed; 0: as many as it takes.",
            metavar="N",
            minimum=0,
        ),
    )
    skip_timing: bool = field(
        default=False, metadata=option("Do not time the model and the detector at the end.")
    )
    target: str | None = field(
        default=None,
        metadata=option("Device that the model is for, where the format has several."),
    )
    make_environment: bool = field(
        default=False,
        metadata=option(
            "Make the Python environment of a converter whose dependencies contradict this "
            "package's, in the cache folder."
        ),
    )
    runtime: str | Path | None = field(
        default=None,
        metadata=option(
            "onnxruntime-web for `web`, as `npm pack` writes it. Default: the one that was "
            "downloaded.",
            metavar="FILE.tgz",
        ),
    )
    download_runtime: bool = field(
        default=False,
        metadata=option("Download onnxruntime-web for `web` from npm's registry, once."),
    )
    output: str | Path | None = field(
        default=None,
        metadata=option("Folder to write. Default: exports/NAME-FORMAT.", metavar="DIR"),
    )
    on_message: OnMessage | None = field(
        default=None, metadata=callback("Called with each message, such as what is left out.")
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError also for options that contradict each other."""
        super().__post_init__()
        if self.int8 and self.half:
            raise SingleshotError("int8, half: a model has one of them; choose --int8 or --half")
        self.check_quantization()
