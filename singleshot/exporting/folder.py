"""The folder of an exported model: what runs it without this package, and what explains it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from singleshot.detectors.common.settings import Resize
from singleshot.exporting.detect_program import detect_program
from singleshot.exporting.formats import find_format_named
from singleshot.exporting.parity_table import parity_rows
from singleshot.exporting.priors_header import priors_header
from singleshot.runtimes.manifest import Manifest, ModelInput, ModelOutput

__all__ = ["write_companions"]

FILES = Path(__file__).parent / "folder_files"
CPP_FILES = ("decoder.hpp", "resize.hpp")

RESIZING: Final[Mapping[Resize, str]] = {
    "antialias": "Bilinearly with antialiasing, as Pillow's `Image.resize(..., Image.BILINEAR)` or "
    "PyTorch's `interpolate(..., antialias=True)`; OpenCV's INTER_LINEAR is something else.",
    "opencv": "Bilinearly as OpenCV's INTER_LINEAR; Pillow's filters are something else.",
    "torchvision": "Bilinearly without antialiasing, between the centres of pixels.",
    "tensorflow1": "Bilinearly without antialiasing; pixel i of the result is at i · scale, as in "
    "TensorFlow 1 with `align_corners=False`.",
    "darknet": "Bilinearly without antialiasing; the centres of corner pixels stay there, as in "
    "darknet.",
}


BACKGROUND = "BACKGROUND"  # as jetson-inference names it


def write_companions(folder: Path, manifest: Manifest) -> None:
    """Write what accompanies the model files: programs, headers, labels and a README."""
    (folder / "detect.py").write_text(detect_program(), encoding="utf-8")
    # A line for each column of the scores.
    background = [BACKGROUND] if any(one.first_column for one in manifest.outputs) else []
    labels = "".join(f"{name}\n" for name in (*background, *manifest.class_names))
    (folder / "labels.txt").write_text(labels, encoding="utf-8")
    if _has_decoder(manifest):
        for name in CPP_FILES:
            shutil.copyfile(FILES / name, folder / name)
        shutil.copytree(FILES / "example", folder / "example")
        (folder / "priors.h").write_text(priors_header(manifest), encoding="utf-8")
    (folder / "README.md").write_text(readme(manifest), encoding="utf-8")


def readme(manifest: Manifest) -> str:
    """Describe the folder for those who have nothing else."""
    environment = Environment(
        loader=FileSystemLoader(FILES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    form, model_input = find_format_named(manifest.format), manifest.input
    text = environment.get_template("README.md.jinja").render(
        title=_title(manifest),
        manifest=manifest,
        names=manifest.class_names,
        input=model_input,
        decoding=manifest.decoding,
        post=manifest.postprocessing,
        has_decoder=_has_decoder(manifest),
        runtime=form.runtime,
        note=form.note,
        resizing=RESIZING[model_input.resize],
        normalised=any(model_input.mean) or model_input.std != (1, 1, 1),
        measured=list(_measured(manifest)),
        parity=manifest.parity,
        quantization_rows=list(_quantization_rows(manifest.quantization)),
        parity_rows=list(parity_rows(manifest.parity)) if manifest.parity else [],
        shape=_shape,
        content_of=_content_of,
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _quantization_rows(quantization: Mapping[str, Any]) -> Iterator[list[str]]:
    """List the settings of int8 that were tried, with their numbers; none of other models."""

    def text(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    for trial in quantization.get("trials", ()):
        low, high = text(trial["drop_low"], 2), text(trial["drop_high"], 2)
        yield [
            trial["setting"],
            text(trial["average_precision"], 4),
            text(trial["drop"], 2),
            f"{low} to {high}" if low else "",
            text(trial["offsets_error"], 3),
            text(trial["logits_error"], 3),
        ]


def _has_decoder(manifest: Manifest) -> bool:
    """Return whether anything is left to decode: with NMS in the model nothing is."""
    return manifest.contract != "detections"


def _title(manifest: Manifest) -> str:
    names = manifest.class_names
    some = ", ".join(names[:5])
    return f"Detector of {some}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _shape(model_input: ModelInput) -> str:
    rows, columns = model_input.size
    batch = model_input.batch or "n"
    if model_input.layout == "NHWC":
        return f"{batch} x {rows} x {columns} x 3"
    return f"{batch} x 3 x {rows} x {columns}"


def _content_of(output: ModelOutput) -> str:
    """Describe an output in words."""
    words = {
        "offsets": "offsets of boxes from priors",
        "logits": "class outputs of priors",
        "boxes": "boxes at priors",
        "scores": "scores (probabilities) at priors",
        "detections": "detections, best first",
    }[output.kind]
    if output.level is not None:
        words += f", level {output.level}, {output.layout}; channels prior by prior"
    if output.first_column:
        words += "; the first column is the background"
    if output.quantization is not None:
        scale, zero_point = output.quantization.scale, output.quantization.zero_point
        words += f"; value = {scale:.9g} · (number - ({zero_point}))"
    return words


def _measured(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """List the size of the detector and the metrics of its checkpoint."""
    detector = manifest.detector
    yield "parameters", f"{detector.parameters:,}"
    yield "multiply-accumulates", f"{detector.macs:,}"
    yield from _flatten(manifest.metrics)


def _flatten(numbers: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Walk through nested numbers and texts."""
    for name, value in numbers.items():
        key = f"{before}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{key}, ")
        elif isinstance(value, float):
            yield key, f"{value:.6g}"
        elif isinstance(value, int | str):
            yield key, str(value)
