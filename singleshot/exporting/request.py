"""Checks of what is to be exported, before PyTorch is imported, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from singleshot.errors import SingleshotError
from singleshot.exporting.formats import find_format_named
from singleshot.exporting.formats.format import ExportFormat
from singleshot.exporting.options import ExportOptions
from singleshot.files import require_empty_folder
from singleshot.runs.folder import model_name
from singleshot.runtimes.manifest import Contract

__all__ = ["check_request", "contract_of"]


def check_request(source: str | Path | None, options: ExportOptions) -> tuple[ExportFormat, Path]:
    """Return the format and the folder to write.

    Args:
        source: the model, for the name of the default folder; None for one of no file.
        options: what is to be exported.

    Raises:
        SingleshotError: the format lacks what the options ask for, or a package is missing.
        StorageError: the folder is not empty, or cannot be written.
    """
    form = find_format_named(options.to)
    contract = contract_of(form, options)
    form.require_support(contract=contract, pixels=options.pixels, target=options.target)
    _require_precision(form, options)
    _require_batch(form, contract, options)
    form.require_modules()
    _require_companions(form, options)
    folder = Path(options.output or _default_folder(source, options))
    require_empty_folder(folder)
    return form, folder


def contract_of(form: ExportFormat, options: ExportOptions) -> Contract:
    """Return the contract that is chosen, or the default one."""
    return options.contract or form.default_contract(options.target)


def _require_precision(form: ExportFormat, options: ExportOptions) -> None:
    """Raise SingleshotError for a precision that the format does not have."""
    if options.half and form.half is None:
        raise SingleshotError(f"half: {form.name} has no 16-bit floats; leave --half out")
    if form.only_int8 and not options.int8:
        raise SingleshotError(
            f"to: {form.name} computes in 8-bit integers only; add --int8 --calibrate DATA"
        )
    if options.int8 and form.int8 is None:
        raise SingleshotError(f"int8: not there for {form.name}; leave --int8 out")


def _require_batch(form: ExportFormat, contract: Contract, options: ExportOptions) -> None:
    """Raise SingleshotError for a number of images that models of the format do not take."""
    if contract in form.single_image and options.batch != 1:
        raise SingleshotError(
            f"batch: {form.name} with {contract} takes 1 image at a time, not {options.batch}; "
            f"leave --batch out"
        )
    if not options.batch and not form.any_batch:
        raise SingleshotError(f"batch: {form.name} takes a fixed number of images, 1 or more")


def _require_companions(form: ExportFormat, options: ExportOptions) -> None:
    """Raise SingleshotError for a runtime that the format does not take, or that is missing."""
    if form.companions is not None:
        form.companions.require(options)
    elif options.runtime is not None or options.download_runtime:
        raise SingleshotError(
            f"runtime, download_runtime: {form.name} takes none along; leave --runtime and "
            f"--download-runtime out"
        )


def _default_folder(source: str | Path | None, options: ExportOptions) -> Path:
    """Name the folder after the run, the checkpoint or the downloaded model."""
    name = "detector" if source is None else model_name(source)
    kind = "-int8" if options.int8 else "-half" if options.half else ""
    return Path("exports", f"{name}-{options.to}{kind}")
