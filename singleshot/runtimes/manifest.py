"""The manifest of an exported model: all that is needed to run it, read without PyTorch.

It lies beside the model as `model.json`; an ONNX file holds it as well, in its metadata.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, model_validator

from singleshot.detectors.common.settings import Nms, Resize
from singleshot.errors import ModelError
from singleshot.files import hash_file
from singleshot.runtimes.standalone.model_files import MANIFEST_NAME, MANIFEST_VERSION
from singleshot.settings import Count, Settings

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32

    PriorTable = Float32[np.ndarray, "priors 4"]
else:
    PriorTable = Any  # commands read a manifest without NumPy, before they begin

__all__ = [
    "MANIFEST_NAME",
    "MANIFEST_VERSION",
    "Contract",
    "DecodingNumbers",
    "DetectorRecord",
    "FileRecord",
    "LevelRecord",
    "Manifest",
    "ModelInput",
    "ModelOutput",
    "PostprocessingNumbers",
    "Precision",
    "Quantization",
    "ThresholdsRecord",
]


Contract = Literal["raw", "decoded", "detections"]
Precision = Literal["float32", "float16", "bfloat16", "int8"]
OutputKind = Literal["offsets", "logits", "boxes", "scores", "detections"]
Layout = Literal["NCHW", "NHWC"]
Triple = tuple[float, float, float]


class FileRecord(Settings):
    """Size and content of a file of the model."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """Measure and hash a file."""
        return cls(bytes=path.stat().st_size, sha256=hash_file(path))


class Quantization(Settings):
    """Whole numbers q of a tensor stand for (q - zero_point) · scale."""

    scale: float
    zero_point: int


class ModelInput(Settings):
    """The images that the model takes."""

    name: str = "images"
    dtype: Literal["uint8", "int8", "float32"]
    layout: Layout
    batch: int = Field(1, ge=0)  # images at once; 0: any number
    size: tuple[Count, Count]  # height, width
    color: Literal["RGB"] = "RGB"
    # To be applied before the model runs: 0 and 1 where the model does it.
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    resize: Resize
    quantization: Quantization | None = None


class ModelOutput(Settings):
    """One output of the model."""

    name: str
    kind: OutputKind
    level: int | None = None  # of raw outputs
    shape: tuple[int, ...]  # of one image or a fixed batch; 0: any number of images
    layout: Layout | None = None  # of raw outputs
    first_column: int = 0  # of the classes in scores: 1 where the background comes first
    quantization: Quantization | None = None


class LevelRecord(Settings):
    """One feature map of priors."""

    grid: tuple[int, int]  # rows, columns
    priors_per_cell: int


class DecodingNumbers(Settings):
    """Numbers that turn raw outputs into boxes and scores."""

    scores: Literal["softmax", "sigmoid"]
    first_column: int
    num_columns: int
    offset_scales: tuple[float, float]
    levels: tuple[LevelRecord, ...]
    priors_float32_base64: str  # centre x, centre y, width, height as fractions; little endian

    @model_validator(mode="after")
    def _check_priors(self) -> DecodingNumbers:
        """Raise ValueError for a table of priors of another length than the levels have."""
        expected = sum(
            level.grid[0] * level.grid[1] * level.priors_per_cell for level in self.levels
        )
        if len(self.priors()) != expected:
            raise ValueError(f"{len(self.priors())} priors; the levels have {expected}")
        return self

    def priors(self) -> PriorTable:
        """Decode the table of priors."""
        import numpy as np  # noqa: PLC0415 (commands read a manifest without it)

        content = base64.b64decode(self.priors_float32_base64)
        return np.frombuffer(content, "<f4").reshape(-1, 4)

    @staticmethod
    def encode_priors(priors: PriorTable) -> str:
        """Encode a table of priors."""
        return base64.b64encode(priors.astype("<f4").tobytes()).decode("ascii")


class PostprocessingNumbers(Settings):
    """Numbers that detections are selected by, as in a recipe's `model.results`."""

    score_threshold: float
    iou_threshold: float
    top_k: int
    keep: int
    clip_before_nms: bool
    nms: Nms
    soft_sigma: float


class ThresholdsRecord(Settings):
    """Score thresholds that were chosen for the weights."""

    rule: str
    iou_threshold: float
    data: str  # description of the images they were chosen on
    score_thresholds: dict[str, float | None]  # by class; None: the rule cannot be met


class DetectorRecord(Settings):
    """The detector that was exported."""

    kind: str
    backbone: str
    preset: str = ""
    parameters: int
    macs: int
    num_boxes: int
    checkpoint: str = ""  # as it was given to `export`
    checkpoint_sha256: str = ""


class Manifest(Settings):
    """Description of an exported model."""

    manifest_version: Literal[1] = 1
    singleshot: str  # version
    format: str
    contract: Contract
    precision: Precision = "float32"
    target: str | None = None
    files: dict[str, FileRecord] = Field(
        default_factory=dict
    )  # of the model, the one to open first
    class_names: tuple[str, ...]
    input: ModelInput
    outputs: tuple[ModelOutput, ...]
    decoding: DecodingNumbers
    postprocessing: PostprocessingNumbers
    operating_point: ThresholdsRecord | None = None
    detector: DetectorRecord
    metrics: dict[str, Any] = Field(default_factory=dict)  # of the checkpoint
    quantization: dict[str, Any] = Field(default_factory=dict)  # how int8 was found; see `record`
    parity: dict[str, Any] = Field(default_factory=dict)  # how the model compares with the detector

    @model_validator(mode="after")
    def _check_columns(self) -> Manifest:
        """Raise ValueError for scores of other classes than there are names."""
        number = len(self.class_names)
        for one in self.outputs:
            if one.kind == "scores" and one.shape[-1] - one.first_column != number:
                raise ValueError(f"{number} class names; the scores have shape {one.shape}")
        return self

    def to_text(self) -> str:
        """Write the manifest as JSON."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Convert to plain lists and dictionaries, as `standalone` reads them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Mapping[str, Any], source: str) -> Manifest:
        """Read a manifest; ModelError, naming `source`, for one that is damaged or newer."""
        version = document.get("manifest_version")
        if isinstance(version, int) and version > MANIFEST_VERSION:
            raise ModelError(
                f"{source}: of a newer singleshot ({document.get('singleshot')}): manifest version "
                f"{version}, known is {MANIFEST_VERSION}; update: pip install -U singleshot"
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(map(str, problem["loc"])) or "classes and outputs"
            raise ModelError(
                f"{source}: damaged: {place}: {problem['msg']}; export the model again"
            ) from error
