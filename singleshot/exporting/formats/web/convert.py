"""The format `web`: ONNX as `formats.onnx` writes it, and a page that holds it.

Pages that are opened from disk can read no other file, so the model is in the page once more, and
so is its runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.errors import SingleshotError
from singleshot.exporting.formats.format import Companions, ExportFormat
from singleshot.exporting.formats.onnx import FORMAT as ONNX
from singleshot.exporting.formats.web.runtime import (
    PACKAGE,
    VERSION,
    cached_runtime,
    download_runtime,
    read_runtime,
)
from singleshot.runs.folder import model_name
from singleshot.runtimes.manifest import Manifest

if TYPE_CHECKING:
    from singleshot.exporting.options import ExportOptions
else:
    ExportOptions = Any  # it names the formats

__all__ = ["FORMAT"]

PAGE, LICENCE = "index.html", "LICENSE-onnxruntime.txt"


def require_runtime(options: ExportOptions) -> None:
    """Read or download onnxruntime-web.

    Raises SingleshotError where it is neither given, nor downloaded, nor to be downloaded.
    """
    read_runtime(_runtime_path(options))


def write_web_page(folder: Path, manifest: Manifest, options: ExportOptions) -> None:
    """Write the page with the model of the folder in it, and the licence of its runtime."""
    from singleshot.browser.local import PageModel, local_source
    from singleshot.browser.page import build_page

    runtime = read_runtime(_runtime_path(options))
    file = next(iter(manifest.files))
    name = _name(manifest)
    model = PageModel(
        name,
        (folder / file).read_bytes(),
        manifest.to_json(),
        runtime.script,
        runtime.wasm,
        runtime.licence,
    )
    page = build_page(name, local_source(model))
    (folder / PAGE).write_text(page, encoding="utf-8")
    (folder / LICENCE).write_text(runtime.licence, encoding="utf-8")
    options.notify(f"{PAGE} holds the detector: open it in a browser, or put it on a file server")


def _runtime_path(options: ExportOptions) -> Path:
    """Locate the package of the runtime, downloading it on request."""
    if options.runtime is not None:
        return Path(options.runtime)
    if options.download_runtime:
        return download_runtime()
    path = cached_runtime()
    if not path.is_file():
        raise SingleshotError(
            f"runtime: the page needs {PACKAGE} {VERSION}, which is not in {path.parent}; add "
            f"--download-runtime (33 MB, once), or --runtime FILE.tgz, as `npm pack "
            f"{PACKAGE}@{VERSION}` writes it"
        )
    return path


def _name(manifest: Manifest) -> str:
    """Name the detector as `serve` does, else after its kind."""
    detector = manifest.detector
    if detector.checkpoint:
        return model_name(detector.checkpoint)
    return f"{detector.kind} {detector.backbone}"


FORMAT = ExportFormat(
    name="web",
    about="a page that detects in the browser, from disk or a file server, without a network",
    contracts=("decoded",),
    extra=ONNX.extra,
    modules=ONNX.modules,
    convert=ONNX.convert,
    runtime=ONNX.runtime,
    finish=ONNX.finish,
    other_pixels=("float32",),
    single_image=("decoded",),
    int8=ONNX.int8,
    takes_ranges=ONNX.takes_ranges,
    companions=Companions(require_runtime, write_web_page),
)
