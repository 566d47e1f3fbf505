"""Downloads from a server on this machine, which cuts connections and sends other files."""

# Tests singleshot/connections.py

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import torch
from command_line import singleshot as command
from filelock import FileLock
from PIL import Image
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

import singleshot
from singleshot.errors import ModelError, RunFailed, StorageError
from singleshot.models import download, pretrained
from singleshot.models.download import download_model

NAME = "tiny-coco"


@dataclass
class Server:
    """Files by path, and how they are sent."""

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    endless: bool = False  # no length, and zeros after the content
    cut_after: int | None = None  # bytes of each answer
    status: int | None = None
    requested: list[str | None] = field(default_factory=list)  # the Range of each request


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested = self.headers["Range"]
            server.requested.append(requested)
            if server.status is not None or self.path not in server.files:
                self.send_error(server.status or 404)
                return
            content = server.files[self.path]
            start = int(requested[len("bytes=") : -1]) if requested and server.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            if not server.endless:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: server.cut_after])
            with suppress(OSError):  # the client hangs up
                while server.endless:
                    self.wfile.write(bytes(download.BYTES_AT_ONCE))

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> bytes:
    """torchvision's SSDLite with random weights, as it is published."""
    torch.manual_seed(0)
    network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    path = tmp_path_factory.mktemp("weights") / "theirs.pth"
    torch.save(network.state_dict(), path)
    return path.read_bytes()


@pytest.fixture
def server(weights) -> Iterator[Server]:
    server = Server({"/models/tiny.pth": weights})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(server)) as running:
        server.url = f"http://127.0.0.1:{running.server_port}/models/tiny.pth"
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def publish(server, weights, tmp_path, monkeypatch) -> Callable[..., None]:
    """Put one detector into the table, and fetch it without waiting and without a proxy."""
    monkeypatch.setattr(download, "SECONDS_BETWEEN_ATTEMPTS", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    table = tmp_path / "pretrained.toml"
    monkeypatch.setattr(pretrained, "TABLE", table)

    def write(sha256: str = hashlib.sha256(weights).hexdigest(), url: str = server.url) -> None:
        table.write_text(
            f'[{NAME}]\nabout = "SSDLite"\ntrained_on = "nothing"\nap = 0.0\nurl = "{url}"\n'
            f'sha256 = "{sha256}"\nsize = {len(weights)}\nkind = "torchvision"\n'
            f'source = "https://example.org"\nlicence = "BSD-3-Clause"\n'
        )

    write()
    return write


def names_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_detector_is_downloaded_once_and_loaded_by_name(server, cache):
    progress: list[tuple[int, int]] = []
    run = download_model(NAME, progress=lambda *numbers: progress.append(numbers))
    size = len(server.files["/models/tiny.pth"])
    assert progress[-1] == (size, size)
    assert (run.folder, run.kind, run.input) == (cache / NAME, "torchvision", (320, 320))
    assert run.class_names[:2] == ("person", "bicycle")
    assert len(run.class_names) == 80
    assert names_in(cache) == {NAME}  # the file itself is not kept
    assert singleshot.load(NAME, device="cpu").class_names == run.class_names
    assert download_model(NAME) == run
    assert server.requested == [None]


def test_a_cut_connection_is_continued(server, weights):
    server.cut_after = len(weights) // 3 + 1
    download_model(NAME)
    third = server.cut_after
    assert server.requested == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_what_was_received_is_continued_by_the_next_call(server, cache, weights):
    cache.mkdir()
    (cache / "tiny.pth.part").write_bytes(weights[:1000])
    server.cut_after = 0
    with pytest.raises(RunFailed, match=r"connection lost after 0\.0 of .* continues from there"):
        download_model(NAME)
    assert names_in(cache) == {"tiny.pth.part"}
    server.cut_after = None
    download_model(NAME)
    assert server.requested == ["bytes=1000-"] * 4


def test_a_server_without_ranges_sends_all_again(server, cache):
    cache.mkdir()
    (cache / "tiny.pth.part").write_bytes(b"something else" * 100)
    server.ranges = False
    download_model(NAME)
    assert server.requested == ["bytes=1400-"]


def test_another_file_is_refused_and_deleted(cache, publish):
    publish(sha256="0" * 64)
    with pytest.raises(
        RunFailed, match=f"another file .*SHA-256 [0-9a-f]{{64}}, expected {'0' * 64}"
    ):
        download_model(NAME)
    assert names_in(cache) == set()


def test_a_page_instead_of_the_file_is_refused_at_once(server, cache):
    server.files["/models/tiny.pth"] = b"<html>Please log in"
    with pytest.raises(RunFailed, match=r"19 bytes are offered, expected .* the page of a proxy"):
        download_model(NAME)
    assert names_in(cache) == set()


def test_a_server_that_sends_on_and_on_is_refused_at_the_size(server, cache):
    server.endless = True
    with pytest.raises(RunFailed, match=r"more than the expected .* not the published file"):
        download_model(NAME)
    assert names_in(cache) == set()
    assert len(server.requested) == 1


def test_an_incomplete_run_is_downloaded_again(cache):
    (cache / NAME).mkdir(parents=True)
    (cache / NAME / "recipe.toml").touch()
    assert download_model(NAME).folder == cache / NAME
    assert (cache / NAME / "checkpoints/last.safetensors").is_file()


def test_a_missing_file_is_not_requested_again(server):
    server.files.clear()
    with pytest.raises(RunFailed, match=r"HTTP 404 Not Found; see https://example\.org"):
        download_model(NAME)
    assert len(server.requested) == 1


def test_a_busy_server_is_tried_three_times(server):
    server.status = 503
    with pytest.raises(RunFailed, match=r"not reachable \(HTTP 503 Service Unavailable\); check"):
        download_model(NAME)
    assert len(server.requested) == 3


def test_without_a_connection_the_file_can_be_put_there_by_hand(cache, publish, weights):
    publish(url="http://127.0.0.1:9/models/tiny.pth")  # the discard port: nobody answers
    with pytest.raises(RunFailed, match=r"Connection refused.*save that file as .*tiny\.pth by"):
        download_model(NAME)
    (cache / "tiny.pth").write_bytes(weights)
    assert download_model(NAME).folder == cache / NAME


def test_a_full_disk_is_noticed_before(server, monkeypatch):
    usage = namedtuple("usage", "total used free")(100, 90, 10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match=r"cache: .* MB needed, 10 MB free; .*SINGLESHOT_CACHE="):
        download_model(NAME)
    assert server.requested == []


def test_a_disk_that_fails_keeps_what_it_took(cache, monkeypatch):
    real = download._blocks

    def blocks(response):
        yield next(real(response))
        raise_full()

    monkeypatch.setattr(download, "_blocks", blocks)
    with pytest.raises(StorageError, match=r"tiny\.pth\.part: not written: No space left"):
        download_model(NAME)
    assert (cache / "tiny.pth.part").stat().st_size == download.BYTES_AT_ONCE


def raise_full() -> None:
    raise OSError(28, "No space left on device")


def test_a_folder_that_is_a_file_is_named(server, cache):
    cache.write_text("")
    with pytest.raises(StorageError, match="cache is a file where a folder is needed"):
        download_model(NAME)
    assert server.requested == []


def test_weights_that_cannot_be_imported_leave_no_run(server, cache, publish):
    content = bytes(len(server.files["/models/tiny.pth"]))
    server.files["/models/tiny.pth"] = content
    publish(sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="not a PyTorch file"):
        download_model(NAME)
    assert names_in(cache) == {"tiny.pth"}


def test_two_processes_do_not_write_the_same_file(cache):
    cache.mkdir()
    with FileLock(cache / f".{NAME}.lock"), pytest.raises(RunFailed, match="another process"):
        download_model(NAME)


def test_an_address_that_is_no_url_is_refused(monkeypatch):
    monkeypatch.setenv("SINGLESHOT_DOWNLOAD_URL", "files.example")
    with pytest.raises(
        singleshot.SingleshotError, match=r"SINGLESHOT_DOWNLOAD_URL=files\.example: expec"
    ):
        download_model(NAME)


def test_the_command_line_names_the_command_that_is_missing(server, tmp_path):
    image = tmp_path / "photo.png"
    Image.effect_noise((96, 64), 80).convert("RGB").save(image)
    refused = command("predict", NAME, str(image))
    assert refused.exit_code == 2
    assert f"run: singleshot models download {NAME}" in refused.stderr
    assert server.requested == []

    fetched = command("models", "download", NAME)
    assert fetched.exit_code == 0, fetched.stderr
    assert "classes: person, bicycle, car, motorcycle, airplane and 75 more" in fetched.stdout
    assert "BSD-3-Clause" in fetched.stderr

    assert command("predict", NAME, str(image), "--json").exit_code == 0
    listed = command("models", "list", "--pretrained").stdout.splitlines()
    assert listed[-1].split()[-1] == "yes"
