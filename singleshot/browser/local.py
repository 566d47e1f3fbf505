"""A source of detections within the page: the model and its runtime, in the page's own worker."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singleshot.browser.page import PageSource

__all__ = ["PageModel", "detector_script", "local_source"]

HERE = Path(__file__).parent
# In the order of their imports; the last one keeps what it exports.
MODULES = ("resizing.js", "selection.js", "detector.js")
# What the detector reads; paths, hashes and measurements of the export are left out.
READ = (
    "manifest_version",
    "contract",
    "precision",
    "class_names",
    "input",
    "outputs",
    "decoding",
    "postprocessing",
    "operating_point",
)


@dataclass(frozen=True)
class PageModel:
    """A model for a page, and onnxruntime-web to run it."""

    name: str  # shown as the title
    model: bytes  # ONNX, of the contract `decoded`
    manifest: Mapping[str, Any]  # its model.json
    runtime: str  # the module of onnxruntime-web
    wasm: bytes
    licence: str  # of the runtime


def local_source(model: PageModel) -> PageSource:
    """Return the source of detections that is this model, run in a worker of the page.

    The page needs nothing else, and its policy refuses all connections.
    """
    return PageSource(
        scripts=[_read("local.js")],
        policy="worker-src blob:",
        script_policy="blob: 'wasm-unsafe-eval'",
        attachments={
            "licence": _as_text(model.licence),
            "manifest": json.dumps(_short(model)).replace("<", "\\u003c"),
            "detector": _as_text(detector_script()),
            "worker": _as_text(_read("worker.js")),
            "runtime": _as_text(model.runtime),
            "wasm": _packed(model.wasm),
            "model": _packed(model.model),
        },
    )


def detector_script() -> str:
    """Join the modules of the detector into one, which imports nothing."""
    *parts, last = (
        re.sub(r"^import .*\n", "", _read(name), flags=re.MULTILINE) for name in MODULES
    )
    return "\n".join([*map(_as_block, parts), last])


def _as_block(text: str) -> str:
    """Wrap a module, so that only what it exports can be seen by those after it."""
    exports = ", ".join(re.findall(r"^export function (\w+)", text, flags=re.MULTILINE))
    body = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    return f"const {{ {exports} }} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();\n"


def _short(model: PageModel) -> dict[str, Any]:
    """Copy what the page reads of the manifest."""
    return {"name": model.name, **{key: model.manifest.get(key) for key in READ}}


def _packed(content: bytes) -> str:
    """Compress and encode: browsers decompress gzip by themselves."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def _as_text(text: str) -> str:
    """Return text that can stand in a script element; nothing of it is escaped there."""
    assert not re.search(r"</?script|<!--", text, re.IGNORECASE)
    return text


def _read(name: str) -> str:
    """Read a file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")
