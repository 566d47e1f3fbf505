"""onnxruntime-web is read only as npm published it."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from file_server import serving
from web_runtime import web_runtime

from singleshot.errors import RunFailed, SingleshotError
from singleshot.exporting.formats.web import runtime
from singleshot.exporting.formats.web.runtime import (
    FILE,
    SCRIPT,
    WASM,
    cached_runtime,
    download_runtime,
    read_runtime,
)

REGISTRY_FOLDER = Path("onnxruntime-web", "-")


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Serve a package of two small files as npm's registry does; its hash is the expected one."""
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path / "cache"))
    package = tmp_path / REGISTRY_FOLDER / FILE
    package.parent.mkdir(parents=True)
    with tarfile.open(package, "w:gz") as archive:
        for name, content in ((SCRIPT, b"export {};"), (WASM, b"\0asm")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    monkeypatch.setattr(runtime, "INTEGRITY", f"sha512-{digest}")
    with serving(tmp_path) as server:
        monkeypatch.setenv("npm_config_registry", f"{server.url}/")
        yield server


def test_it_is_downloaded_once(registry):
    path = download_runtime()
    assert path == cached_runtime()
    assert download_runtime() == path
    assert registry.count(f"{REGISTRY_FOLDER.as_posix()}/{FILE}") == 1
    found = read_runtime(path)
    assert (found.script, found.wasm) == ("export {};", b"\0asm")
    assert [one.name for one in path.parent.iterdir()] == [FILE]


@pytest.mark.usefixtures("registry")
def test_licences_of_what_is_compiled_into_it_go_along():
    text = read_runtime(download_runtime()).licence
    assert "MIT License" in text
    assert "protocolbuffers" in text or "protobuf" in text


def test_another_file_than_npm_published_is_refused(registry, monkeypatch):
    path = download_runtime()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(SingleshotError, match=r"not onnxruntime-web .* as npm published it"):
        read_runtime(path)
    served = registry.folder / REGISTRY_FOLDER / FILE
    served.write_bytes(served.read_bytes() + b"x")
    with pytest.raises(RunFailed, match="received another file than npm published"):
        download_runtime()
    monkeypatch.setattr(runtime, "NUM_BYTES", 10)
    with pytest.raises(RunFailed, match="more than 10 bytes"):
        download_runtime()


def test_a_registry_that_refuses_is_named_with_a_remedy(registry):
    registry.status = 403
    with pytest.raises(RunFailed, match=r"HTTP 403 .*npm pack onnxruntime-web@.*--runtime"):
        download_runtime()
    assert not cached_runtime().exists()


def test_a_missing_file_is_refused_with_how_to_write_it(tmp_path):
    with pytest.raises(SingleshotError, match=r"No such file.*npm pack onnxruntime-web@"):
        read_runtime(tmp_path / FILE)


def test_the_published_package_has_what_pages_need():
    found = read_runtime(web_runtime())
    assert found.wasm.startswith(b"\0asm")
    assert "InferenceSession" in found.script
