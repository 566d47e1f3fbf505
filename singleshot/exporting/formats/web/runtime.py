"""onnxruntime-web, which runs ONNX in browsers: a package of npm, pinned by its hash."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from singleshot.connections import ConnectionFailed, RequestRefused, connect, read_blocks
from singleshot.errors import RunFailed, SingleshotError
from singleshot.files import cache_folder, write_atomically

__all__ = ["WebRuntime", "cached_runtime", "download_runtime", "read_runtime"]

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
FILE = f"{PACKAGE}-{VERSION}.tgz"
# As npm publishes it: `npm view onnxruntime-web@1.30.0 dist.integrity`.
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZ"
    "ClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
NUM_BYTES = 33_106_585
# npm reads the same variable.
REGISTRY, DEFAULT_REGISTRY = "npm_config_registry", "https://registry.npmjs.org"
SCRIPT, WASM = "package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm"
BYTES_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class WebRuntime:
    """The files of onnxruntime-web that a page needs."""

    script: str  # a module
    wasm: bytes
    licence: str


def cached_runtime() -> Path:
    """Locate the package in the folder of downloads, where it need not be yet."""
    return cache_folder() / FILE


def read_runtime(path: Path) -> WebRuntime:
    """Read the package of npm, without writing any of its files.

    Raises SingleshotError where there is none at this path, or another one.
    """
    try:
        found = _integrity(path)
    except OSError as error:
        raise SingleshotError(
            f"{path}: cannot be read ({error.strerror or error}); expected {FILE}, as "
            f"`npm pack {PACKAGE}@{VERSION}` writes it"
        ) from error
    if found != INTEGRITY:
        raise SingleshotError(
            f"{path}: not {PACKAGE} {VERSION} as npm published it (integrity {found}, expected "
            f"{INTEGRITY}); delete it, and write it by `npm pack {PACKAGE}@{VERSION}`"
        )
    with tarfile.open(path) as package:
        script, wasm = (_member(package, name) for name in (SCRIPT, WASM))
    return WebRuntime(script.decode("utf-8"), wasm, _licence())


def download_runtime() -> Path:
    """Download the package from npm's registry into the folder of downloads, and verify it.

    `npm_config_registry` names another registry, as for npm. Does nothing when it was downloaded
    before.

    Raises:
        RunFailed: the registry cannot be reached, refuses, or sends another file.
        StorageError: the folder of downloads cannot be written.
    """
    path = cached_runtime()
    if path.is_file() and _integrity(path) == INTEGRITY:
        return path
    registry = os.environ.get(REGISTRY, DEFAULT_REGISTRY).rstrip("/")
    url = f"{registry}/{PACKAGE}/-/{FILE}"
    with write_atomically(path) as beside:
        _receive(url, beside)
        if (found := _integrity(beside)) != INTEGRITY:
            raise RunFailed(
                f"{url}: received another file than npm published: integrity {found}, expected "
                f"{INTEGRITY}; it is deleted. A proxy may have sent it"
            )
    return path


def _receive(url: str, path: Path) -> None:
    """Write what the registry sends, as long as it is not more than the package."""
    from singleshot.runs.display import download_display

    remedy = (
        f"check the connection and HTTPS_PROXY, or write the file by other means, as `npm pack "
        f"{PACKAGE}@{VERSION}` does, and give it as --runtime {FILE}"
    )
    try:
        response = connect(url, 0)
        assert response is not None  # only where a version is given
        received = 0
        with response, path.open("wb") as file, download_display(None) as on_progress:
            for block in read_blocks(response, BYTES_AT_ONCE):
                received += len(block)
                if received > NUM_BYTES:
                    raise RunFailed(f"{url}: more than {NUM_BYTES} bytes; not {FILE}; {remedy}")
                file.write(block)
                if on_progress is not None:
                    on_progress(received, NUM_BYTES)
    except (ConnectionFailed, RequestRefused) as error:
        raise RunFailed(f"{url}: not received ({error}); {remedy}") from error


def _integrity(path: Path) -> str:
    """Compute the hash of a file as npm writes it."""
    digest = hashlib.sha512()
    with path.open("rb") as file:
        while block := file.read(BYTES_AT_ONCE):
            digest.update(block)
    return "sha512-" + base64.b64encode(digest.digest()).decode("ascii")


def _member(package: tarfile.TarFile, name: str) -> bytes:
    """Read a file of the package."""
    file = package.extractfile(name)
    assert file is not None  # the hash of the package is known
    return file.read()


def _licence() -> str:
    """Read the licence of onnxruntime, and those of what is compiled into it.

    The package of npm has none; that of Python, which exporting needs as well, has both.
    """
    distribution = importlib.metadata.distribution("onnxruntime")
    texts = [
        Path(str(distribution.locate_file(f"onnxruntime/{name}"))).read_text(
            encoding="utf-8", errors="replace"
        )
        for name in ("LICENSE", "ThirdPartyNotices.txt")
    ]
    return f"{PACKAGE} {VERSION} (https://onnxruntime.ai)\n\n" + "\n\n".join(texts)
