"""Export a detector: from a checkpoint to a folder that runs without this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from singleshot.checkpoints.header import read_about
from singleshot.detectors.common.exportable import Exportable
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import ModelError, SingleshotError
from singleshot.exporting.contracts import WHOLE_NUMBERS, PixelForm, contract_network
from singleshot.exporting.folder import write_companions
from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles, TargetForm
from singleshot.exporting.learned_int8 import prepare_learned_int8
from singleshot.exporting.options import ExportOptions
from singleshot.exporting.parity import measure_parity
from singleshot.exporting.quantization.quantize import quantize
from singleshot.exporting.record import describe_decoding, describe_detector, describe_thresholds
from singleshot.exporting.request import check_request, contract_of
from singleshot.families import families
from singleshot.files import write_folder_atomically
from singleshot.models.locating import ModelPath
from singleshot.models.opening import load_trainable, require_path
from singleshot.options import takes
from singleshot.runtimes.manifest import (
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    PostprocessingNumbers,
    Precision,
)
from singleshot.version import __version__

__all__ = ["ExportResult", "export"]


@dataclass(frozen=True)
class ExportResult:
    """The folder of an exported model."""

    folder: Path
    manifest: Manifest

    def to_json(self) -> dict[str, Any]:
        """Convert to plain lists and dictionaries."""
        manifest = self.manifest
        return {
            "folder": str(self.folder),
            "format": manifest.format,
            "contract": manifest.contract,
            "precision": manifest.precision,
            "files": {name: file.bytes for name, file in manifest.files.items()},
            "parity": manifest.parity,
        }


@takes(ExportOptions)
def export(model: ModelPath | TrainableDetector, options: ExportOptions) -> ExportResult:
    """Export a detector to another runtime, as a folder with all that it needs to run.

    The detector itself stays as it is.

    Args:
        model: a run folder, a checkpoint, the name of a downloaded detector, or a detector.

    Raises:
        ModelError: the model cannot be read, or is of a kind that cannot be exported.
        SingleshotError: the format lacks what the options ask for, or a package is missing or
            broken.
        StorageError: the folder is not empty, or cannot be written.
    """
    if not isinstance(model, TrainableDetector):
        require_path(model)
    source = model.source if isinstance(model, TrainableDetector) else model
    form, folder = check_request(source, options)
    contract = contract_of(form, options)
    detector = model if isinstance(model, TrainableDetector) else load_trainable(model, "cpu")
    exportable = exportable_of(detector)
    for key in exportable.left_out:
        options.notify(f"{key} is not exported: the model detects without it")
    if contract == "detections":
        exportable = _with_hard_nms(exportable, options)
    try:
        manifest = _write(detector, exportable, form, options, folder)
    except ImportError as error:  # those that are missing were named before
        raise SingleshotError(
            f"a package that exporting to {form.name} needs cannot be imported: {error}; install "
            f"it again: pip install --force-reinstall 'singleshot[{form.extra}]'"
        ) from error
    return ExportResult(folder, manifest)


def exportable_of(detector: TrainableDetector) -> Exportable:
    """Return what exporters need of a detector; ModelError where its kind cannot be exported."""
    exportable = detector.exportable()
    if exportable is None:
        kind = getattr(getattr(detector, "settings", None), "kind", type(detector).__name__)
        known = ", ".join(repr(family.kind) for family in families() if family.exports)
        raise ModelError(
            f"a detector of kind {kind!r} cannot be exported: it has no raw outputs at priors; "
            f"those of kind {known} can"
        )
    return exportable


def _with_hard_nms(exportable: Exportable, options: ExportOptions) -> Exportable:
    """Replace another NMS, which the operators of runtimes do not have, and state it."""
    numbers = exportable.postprocessing
    if numbers.nms == "hard":
        return exportable
    options.notify(
        f"model.results.nms = {numbers.nms!r} is not exported: the contract 'detections' has hard "
        f"NMS, so that detections differ; with 'decoded' they are the same"
    )
    return replace(exportable, postprocessing=replace(numbers, nms="hard"))


def _write(
    detector: TrainableDetector,
    exportable: Exportable,
    form: ExportFormat,
    options: ExportOptions,
    folder: Path,
) -> Manifest:
    """Write the folder whole or not at all, and return its manifest."""
    target = form.target_forms.get(options.target or "", TargetForm("decoded", form.pixels))
    pixels = options.pixels or _default_pixels(target.pixels, exportable)
    precision: Precision = (form.half or "float32") if options.half else "float32"
    if prepare_learned_int8(exportable.network, form, options):
        precision = "int8"
    with write_folder_atomically(folder) as beside:
        job = ExportJob(
            contract_network(
                exportable, contract_of(form, options), pixels, background=target.background
            ),
            options.batch,
            precision,
            options.target,
            beside,
            options.notify,
            input_name=target.input_name,
            make_environment=options.make_environment,
        )
        described = describe_model(detector, exportable, form, options, job.described())
        if options.int8 and precision != "int8":
            files, record = quantize(form, job, options, described)
            described = described.model_copy(update={"quantization": record.to_json()})
        else:
            files = form.convert(job)
        manifest = files.manifest(described)
        if form.finish is not None:
            form.finish(beside / files.names[0], manifest)
        records = {name: FileRecord.of(beside / name) for name in files.names}
        manifest = manifest.model_copy(update={"files": records})
        (beside / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")
        parity = measure_parity(beside, detector, exportable, options)
        if files.estimates:
            parity["estimates"] = dict(files.estimates)
        manifest = manifest.model_copy(update={"parity": parity})
        (beside / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")
        if form.companions is None:
            write_companions(beside, manifest)
        else:
            form.companions.write(beside, manifest, options)
    return manifest


def _default_pixels(pixels: PixelForm, exportable: Exportable) -> PixelForm:
    """Replace bytes by floats where resizing does not make whole numbers."""
    if pixels == "uint8" and exportable.resize not in WHOLE_NUMBERS:
        return "float32"
    return pixels


def describe_model(
    detector: TrainableDetector,
    exportable: Exportable,
    form: ExportFormat,
    options: ExportOptions,
    files: ModelFiles,
) -> Manifest:
    """Describe the model, but for its files and its parity."""
    post = exportable.postprocessing
    return Manifest(
        singleshot=__version__,
        format=form.name,
        contract=contract_of(form, options),
        precision=files.precision,
        target=options.target,
        class_names=exportable.class_names,
        input=files.input,
        outputs=files.outputs,
        decoding=describe_decoding(exportable),
        postprocessing=PostprocessingNumbers(
            score_threshold=post.score_threshold,
            iou_threshold=post.iou_threshold,
            top_k=post.top_k,
            keep=post.keep,
            clip_before_nms=post.clip_before_nms,
            nms=post.nms,
            soft_sigma=post.soft_sigma,
        ),
        operating_point=describe_thresholds(detector),
        detector=describe_detector(detector),
        metrics=_metrics_of(detector),
    )


def _metrics_of(detector: TrainableDetector) -> dict[str, Any]:
    """Read the metrics of the checkpoint that the detector was loaded from."""
    if detector.source is None:
        return {}
    metrics: Mapping[str, Any] = read_about(detector.source)["metrics"]
    return dict(metrics)
