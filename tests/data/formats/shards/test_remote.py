"""Shards from a server on this machine, which cuts connections and changes its files."""

# Tests singleshot/data/remote/shard_cache.py
# Tests singleshot/data/remote/fetching.py

from __future__ import annotations

import io
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cells import make_cells
from command_line import singleshot
from file_server import FileServer, serving

from singleshot.data.dataset import DataSet
from singleshot.data.formats.shards.names import INDEX
from singleshot.data.formats.shards.remote import open_url
from singleshot.data.formats.shards.writing import write_shards
from singleshot.data.image_files.archives import Member, image_exists
from singleshot.data.opening import open_dataset, splits_of
from singleshot.data.remote import fetching, shard_cache
from singleshot.data.remote.fetching import fetch_file, url_of
from singleshot.errors import DataError, StorageError
from singleshot.runs.splits import hash_images


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Ten images in shards of two or three."""
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "SECONDS_BETWEEN_ATTEMPTS", 0.01)
    open_url.cache_clear()
    cells = open_dataset(make_cells(tmp_path / "cells"))
    splits = {"train": range(6), "val": range(6, 10)}
    write_shards(cells, tmp_path / "served/cells", splits=splits, shard_bytes=10_000)
    with serving(tmp_path / "served") as running:
        yield running


def require_same(dataset: DataSet, served: Path) -> None:
    """Compare all images and boxes with those of the shards that are served."""
    expected = open_dataset(served / "cells")
    assert [Path(path).name for path in dataset.paths] == [
        Path(path).name for path in expected.paths
    ]
    for index in range(len(expected)):
        assert torch.equal(dataset[index].image, expected[index].image)
        assert torch.equal(dataset.truth(index).boxes, expected.truth(index).boxes)


def shards_here(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").rglob("*.tar"))


def test_shards_are_fetched_when_an_image_is_read(server: FileServer, tmp_path: Path):
    dataset = open_dataset(f"{server.url}/cells")
    assert dataset.description == f"shards layout of {server.url}/cells"
    assert [name for name, _ in server.requested] == [f"cells/{INDEX}"]
    assert splits_of(Path(f"{server.url}/cells/")) == ("train", "val")
    assert "fetched into" in "".join(dataset.notes)
    # Neither whether an image is there, nor what it is, needs its shard.
    assert image_exists(Path(dataset.paths[0]))
    assert len(hash_images(dataset)) == 10
    assert shards_here(tmp_path) == []
    require_same(dataset, server.folder)
    fetched = [name for name, _ in server.requested]
    assert len(fetched) == len(set(fetched)) == 1 + len(shards_here(tmp_path))
    require_same(open_dataset(f"{server.url}/cells/{INDEX}"), server.folder)
    assert len(server.requested) == len(fetched)


def test_an_index_that_has_not_changed_is_not_fetched_again(server: FileServer, tmp_path: Path):
    before = open_dataset(f"{server.url}/cells")
    open_url.cache_clear()
    open_dataset(f"{server.url}/cells")
    assert server.count(f"cells/{INDEX}") == 1
    other = open_dataset(tmp_path / "cells").subset([3], description="")
    for path in (server.folder / "cells").iterdir():
        path.unlink()
    write_shards(other, server.folder / "cells")
    open_url.cache_clear()
    after = open_dataset(f"{server.url}/cells")
    assert len(after) == 1
    require_same(after, server.folder)
    with pytest.raises(DataError, match=r"HTTP 404"):
        before[0]


@pytest.mark.parametrize("ranges", [True, False])
def test_connections_that_are_cut_are_continued(server: FileServer, ranges: bool):
    server.cut_after, server.ranges = 900, ranges
    if ranges:
        require_same(open_dataset(f"{server.url}/cells"), server.folder)
        assert server.count("cells/train-000000.tar") > 5
    else:  # always from the beginning
        with pytest.raises(DataError, match="connection lost after"):
            open_dataset(f"{server.url}/cells")


def test_a_shard_appears_whole_or_not_at_all(server: FileServer, tmp_path: Path):
    dataset = open_dataset(f"{server.url}/cells")
    server.cut_after, server.ranges = 900, False
    with pytest.raises(DataError, match=r"connection lost after .*continues from there"):
        dataset[0]
    assert shards_here(tmp_path) == []
    server.cut_after, server.ranges = None, True
    require_same(dataset, server.folder)
    assert server.requested[-1][1] is None
    assert ("bytes=900-") in [requested for _, requested in server.requested]


def test_another_file_than_the_index_describes_is_refused(server: FileServer, tmp_path: Path):
    dataset = open_dataset(f"{server.url}/cells")
    shard = next(iter(sorted((server.folder / "cells").glob("val*.tar"))))
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"bytes are offered, expected .*write the index and"):
        dataset[0]
    shard.write_bytes(content[:-1] + b"x")
    with pytest.raises(DataError, match=r"SHA-256 is .*, expected"):
        dataset[0]
    assert shards_here(tmp_path) == []
    shard.write_bytes(content)
    require_same(dataset, server.folder)


def test_what_was_not_read_for_the_longest_time_makes_room(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sizes = [path.stat().st_size for path in (server.folder / "cells").glob("*.tar")]
    monkeypatch.setenv("SINGLESHOT_CACHE_SIZE", str(2.2 * max(sizes) / 1e9))
    dataset = open_dataset(f"{server.url}/cells")
    require_same(dataset, server.folder)
    assert len(sizes) > len(shards_here(tmp_path)) >= 2
    assert sum(path.stat().st_size for path in shards_here(tmp_path)) <= 2.2 * max(sizes)
    require_same(dataset, server.folder)
    monkeypatch.setenv("SINGLESHOT_CACHE_SIZE", str(min(sizes) / 2e9))
    for path in shards_here(tmp_path):
        path.unlink()
    with pytest.raises(StorageError, match=r"does not fit into .*SINGLESHOT_CACHE_SIZE="):
        dataset[0]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")
def test_several_processes_fetch_a_shard_once(server: FileServer):
    dataset = open_dataset(f"{server.url}/cells")
    with multiprocessing.get_context("fork").Pool(4) as pool:
        sizes = pool.map(_size_of, [(dataset, index) for index in list(range(10)) * 4])
    assert set(sizes) == {(3, 96, 128)}
    fetched = [name for name, _ in server.requested]
    assert len(fetched) == len(set(fetched))


def _size_of(arguments: tuple[DataSet, int]) -> tuple[int, ...]:
    dataset, index = arguments
    return tuple(dataset[index].image.shape)


def test_without_the_server_what_is_here_is_used(server: FileServer):
    require_same(open_dataset(f"{server.url}/cells"), server.folder)
    open_url.cache_clear()
    server.status = 503
    dataset = open_dataset(f"{server.url}/cells")
    assert "HTTP 503" in dataset.notes[0]
    assert f"the {INDEX} fetched before is used" in dataset.notes[0]
    require_same(dataset, server.folder)


def test_a_url_without_an_index_is_explained(server: FileServer):
    with pytest.raises(
        DataError, match=rf"nowhere/{INDEX}: HTTP 404.*data convert DATA --to shards"
    ):
        open_dataset(f"{server.url}/nowhere")
    (server.folder / INDEX).write_bytes(b"<html>sign in</html>" * 20)
    with pytest.raises(DataError, match="damaged"):
        open_dataset(server.url)


def test_nothing_is_fetched_for_a_folder_outside_the_cache(server: FileServer, tmp_path):
    folder = tmp_path / "elsewhere/abc"
    folder.mkdir(parents=True)
    shard_cache.save_origin(folder, f"{server.url}/cells", {"train-000000.tar": (1, "")})
    path = folder / "train-000000.tar#0+1" / "a.jpg"
    assert Member.of(path) is None
    assert server.requested == []


def test_urls_differ_from_paths(tmp_path: Path):
    assert url_of(Path("https://host/a//b")) == "https://host/a/b"
    assert url_of(Path("gs://bucket/a")) == "gs://bucket/a"
    for path in ("a/b", "/a/b", "C:/data", "http:", tmp_path):
        assert url_of(Path(path)) is None


# Other schemes, by webdataset.


def test_other_schemes_are_read_by_webdataset(server: FileServer, monkeypatch):
    gopen = pytest.importorskip("webdataset.gopen")
    assert gopen.gopen_schemes["gs"]

    def opener(url: str, *_: object) -> io.BytesIO:
        return io.BytesIO((server.folder / url.removeprefix("test://host/")).read_bytes())

    monkeypatch.setitem(gopen.gopen_schemes, "test", opener)
    require_same(open_dataset("test://host/cells"), server.folder)


def test_programs_are_not_run_and_unknown_schemes_are_refused(tmp_path: Path):
    for url in ("pipe://touch x", "nothing://host/a"):
        with pytest.raises(DataError, match=r"no URL that can be read; there are .*gs"):
            fetch_file(url, tmp_path / "part")


def test_without_webdataset_the_extra_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    monkeypatch.setitem(sys.modules, "webdataset.gopen", None)
    with pytest.raises(DataError, match=r"pip install 'singleshot\[shards\]'"):
        fetch_file("gs://bucket/a", tmp_path / "part")


def test_the_command_line_takes_a_url(server: FileServer, tmp_path: Path):
    done = singleshot(
        "data", "convert", f"{server.url}/cells", "--to", "coco", str(tmp_path / "coco")
    )
    assert done.exit_code == 0, done.stderr
    assert f"read as shards layout of {server.url}/cells" in done.stderr
    assert len(open_dataset(tmp_path / "coco")) == 10
