"""Download published detectors, only on request: resumed, verified by SHA-256, imported."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path

from filelock import FileLock, Timeout

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.connections import ConnectionFailed, RequestRefused, connect, read_blocks
from singleshot.errors import RunFailed, SingleshotError, StorageError
from singleshot.files import CACHE, flush_to_disk, hash_file, require_writable
from singleshot.models.opening import Imported, import_model
from singleshot.models.pretrained import DOWNLOAD_URL, PretrainedModel, pretrained_model
from singleshot.recipes.load import load_run_recipe
from singleshot.runs.display import download_display
from singleshot.runs.folder import RunFolder

__all__ = ["download_model"]

OnProgress = Callable[[int, int], None]

ATTEMPTS = 3  # in a row without a new byte
SECONDS_BETWEEN_ATTEMPTS = 1.0
BYTES_AT_ONCE = 1 << 16


def download_model(name: str, *, progress: bool | OnProgress | None = None) -> Imported:
    """Download a published detector of `models list --pretrained`, and import it as a run.

    Afterwards its name stands for the run wherever a model is taken. Does nothing when it was
    downloaded before.

    Args:
        name: such as "ssdlite320-coco".
        progress: True shows it on stderr, False does not; left out, it is shown on terminals and in
            notebooks. Or a function, called with (bytes received, bytes in all).

    Raises:
        ModelError: there is no published detector of this name.
        StorageError: the folder of downloads cannot be written, or the disk is full.
        RunFailed: the server cannot be reached, refuses, or sends another file; what was received
            before the connection was lost is kept, and the next call continues from there.
    """
    model = pretrained_model(name)
    if model.is_downloaded:
        folder = RunFolder(model.folder)
        class_names = Checkpoint.class_names_of(folder.checkpoint())
        input_size = load_run_recipe(folder.recipe).model.input
        return Imported(folder.path, model.kind, class_names, input_size)
    with _only_process(model), download_display(progress) as on_progress:
        _fetch(model, on_progress)
        return _import(model)


@contextmanager
def _only_process(model: PretrainedModel) -> Iterator[None]:
    """Keep other processes from writing the same files; the lock ends with its process."""
    lock = model.folder.with_name(f".{model.name}.lock")
    require_writable(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            yield
    except Timeout as error:
        raise RunFailed(f"{model.name}: another process downloads it; wait for that one") from error


def _import(model: PretrainedModel) -> Imported:
    """Import the weights as a run folder that appears whole, and delete the downloaded file."""
    beside = model.folder.with_name(f".{model.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
    try:
        imported = import_model(model.file, kind=model.kind, output=beside)
        shutil.rmtree(model.folder, ignore_errors=True)  # incomplete
        beside.rename(model.folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    model.file.unlink()
    return replace(imported, folder=model.folder)


def _fetch(model: PretrainedModel, on_progress: OnProgress | None) -> None:
    """Download the file of weights; it appears whole and verified."""
    if model.file.is_file() and hash_file(model.file) == model.sha256:
        return  # put there by hand, or not imported because the disk was full
    partial = model.file.with_name(f"{model.file.name}.part")
    _require_space(model, partial)
    _receive_all(model, partial, on_progress)
    if (found := hash_file(partial)) != model.sha256:
        partial.unlink()
        raise RunFailed(
            f"{model.address}: received another file than was published: SHA-256 {found}, expected "
            f"{model.sha256}; it is deleted. Try again; if that fails as well, the server or a "
            f"proxy sends another file"
        )
    flush_to_disk(partial)
    partial.replace(model.file)


def _require_space(model: PretrainedModel, partial: Path) -> None:
    """Raise StorageError where the disk has no room for the file and the run made from it."""
    needed = 2 * model.size - _size(partial)
    free = shutil.disk_usage(model.file.parent).free
    if free < needed:
        raise StorageError(
            f"{model.file.parent}: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free; free "
            f"some, or name a folder on another disk: {CACHE}=FOLDER"
        )


def _receive_all(model: PretrainedModel, partial: Path, on_progress: OnProgress | None) -> None:
    """Receive the missing bytes, over as many connections as it takes while some arrive."""
    attempts = 0
    while (before := _size(partial)) < model.size:
        try:
            _receive(model, partial, on_progress)
            reason = "closed by the server"
        except ConnectionFailed as error:
            reason = str(error)
        attempts = 0 if _size(partial) > before else attempts + 1
        if attempts == ATTEMPTS:
            raise _failure(model, _size(partial), reason)
        time.sleep(SECONDS_BETWEEN_ATTEMPTS if attempts else 0)


def _receive(model: PretrainedModel, partial: Path, on_progress: OnProgress | None) -> None:
    """Append what one connection sends; raises ConnectionFailed, StorageError or RunFailed."""
    received = _size(partial)
    with _connect(model, received) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            received = 0  # a server without ranges sends the file from its beginning
        if response.length is not None and received + response.length != model.size:
            raise RunFailed(
                f"{model.address}: {received + response.length} bytes are offered, expected "
                f"{model.size}: not the published file, but perhaps the page of a proxy"
            )
        try:
            with partial.open("ab") as file:
                file.truncate(received)
                for block in _blocks(response):
                    received += len(block)
                    if received > model.size:
                        break
                    file.write(block)
                    if on_progress is not None:
                        on_progress(received, model.size)
        except OSError as error:
            raise StorageError(
                f"{partial}: not written: {error.strerror or error}; what was received before is "
                f"kept, and the same command continues from there. For another disk: {CACHE}=FOLDER"
            ) from error
    if received > model.size:
        partial.unlink()
        raise RunFailed(
            f"{model.address}: more than the expected {model.size} bytes were sent: not the "
            f"published file; what was received is deleted. Try again; if that fails as well, the "
            f"server or a proxy sends another file"
        )


def _connect(model: PretrainedModel, start: int) -> HTTPResponse:
    """Ask for the file from byte `start` on."""
    if not model.address.startswith(("http://", "https://")):
        raise SingleshotError(
            f"{DOWNLOAD_URL}={os.environ[DOWNLOAD_URL]}: expected http://… or https://…"
        )
    try:
        response = connect(model.address, start)
    except RequestRefused as error:
        raise RunFailed(
            f"{model.address}: {error}; see {model.source} for its present address, and name its "
            f"folder: {DOWNLOAD_URL}=https://…"
        ) from error
    assert response is not None  # only where a version is given
    return response


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """Read the body block by block."""
    return read_blocks(response, BYTES_AT_ONCE)


def _failure(model: PretrainedModel, received: int, reason: str) -> RunFailed:
    """Make the error after the last attempt."""
    if received:
        return RunFailed(
            f"{model.address}: connection lost after {received / 1e6:.1f} of "
            f"{model.size / 1e6:.1f} MB ({reason}); the same command continues from there"
        )
    return RunFailed(
        f"{model.address}: not reachable ({reason}); check the connection and HTTPS_PROXY, or save "
        f"that file as {model.file} by other means and repeat the command"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
