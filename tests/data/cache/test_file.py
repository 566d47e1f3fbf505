"""A file of decoded images, used by several processes at once."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from singleshot.data.cache.file import PixelFile
from singleshot.data.cache.memory import cache_images
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.archives import member_path
from singleshot.errors import StorageError
from singleshot.structures import Truth

NONE = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    """Ten images of 8 x 6 pixels."""
    random, images = np.random.default_rng(0), []
    for index in range(10):
        path = tmp_path / f"{index}.png"
        Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(path)
        images.append((path, NONE))
    return DataSet.of(("cat",), images, description="made up")


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pixels"))


def cached(dataset, folder, **options):
    return cache_images(dataset, 0.1, lambda _: None, folder=folder, **options)


def test_a_second_training_reads_the_file_and_no_image(dataset, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    first = cached(dataset, folder)
    monkeypatch.setattr(PixelFile, "write", None)
    second = cached(dataset, folder)
    for index in range(10):
        assert torch.equal(first[index].image, dataset[index].image)
        assert torch.equal(second[index].image, dataset[index].image)
    assert [path.stat().st_size for path in kept(folder)] == [10 * 8 * 6 * 3]


def test_a_changed_image_and_another_size_are_another_file(dataset, tmp_path):
    folder = tmp_path / "kept"
    cached(dataset, folder)
    cached(dataset, folder, shorter_side=3)
    assert len(kept(folder)) == 2
    Image.new("RGB", (8, 6), "red").save(dataset.paths[0])
    assert cached(dataset, folder)[0].image[:, 0, 0].tolist() == [255, 0, 0]
    assert len(kept(folder)) == 3


def test_a_changed_archive_is_another_file(tmp_path):
    def write(colour: str) -> None:
        Image.new("RGB", (8, 6), colour).save(tmp_path / "a.bmp")
        (tmp_path / "a.tfrecord").write_bytes((tmp_path / "a.bmp").read_bytes())

    write("blue")
    path = member_path(tmp_path / "a.tfrecord", 0, (tmp_path / "a.bmp").stat().st_size, "a.bmp")
    packed = DataSet.of((), [(path, NONE)], description="")
    cached(packed, tmp_path / "kept")
    write("red")
    assert cached(packed, tmp_path / "kept")[0].image[:, 0, 0].tolist() == [255, 0, 0]


def test_a_file_that_was_cut_short_is_written_again(dataset, tmp_path):
    folder = tmp_path / "kept"
    cached(dataset, folder)
    [file] = kept(folder)
    os.truncate(file, 1000)
    assert torch.equal(cached(dataset, folder)[9].image, dataset[9].image)


def test_the_disk_is_filled_to_the_share_alone(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(PixelFile, "free_space", lambda _: 4500)
    messages: list[str] = []
    cache = cache_images(dataset, 0.1, messages.append, folder=tmp_path / "kept")
    assert messages[0].startswith("3 of 10 images in ")
    assert all(torch.equal(cache[index].image, dataset[index].image) for index in range(10))
    # A process that finds less space takes the same file.
    monkeypatch.setattr(PixelFile, "free_space", lambda _: 0)
    monkeypatch.setattr(PixelFile, "write", None)
    assert (
        cache_images(dataset, 0.1, messages.append, folder=tmp_path / "kept").pixels.nbytes == 432
    )


def test_an_error_leaves_no_file(dataset, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("singleshot.files.flush_to_disk", full)
    with pytest.raises(StorageError, match="No space left"):
        cached(dataset, tmp_path / "kept")
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".lock"]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_of_several_processes_one_writes_and_all_read(dataset, tmp_path):
    folder, context = tmp_path / "kept", multiprocessing.get_context("fork")
    written = context.Value("i", 0)
    write = PixelFile.write

    def counted(*arguments):
        with written.get_lock():
            written.value += 1
        write(*arguments)

    def work(results):
        PixelFile.write = counted
        cache = cached(dataset, folder)
        results.put(sum(int(cache[index].image.sum()) for index in range(10)))

    results = context.Queue()
    processes = [context.Process(target=work, args=(results,)) for _ in range(4)]
    for process in processes:
        process.start()
    sums = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert sums == {sum(int(dataset[index].image.sum()) for index in range(10))}
    assert written.value == 1


def test_what_another_training_is_writing_stays(dataset, tmp_path):
    folder = tmp_path / "kept"
    cached(dataset, folder)
    [file] = kept(folder)
    file.unlink()
    # In a container every training may be process 1, and those of other machines are not here.
    own, written, abandoned = (
        folder / f".{name}.{2**22 + 1}.part" for name in (file.name, "b.pixels", "c.pixels")
    )
    for left in (own, written, abandoned):
        left.touch()
    with PixelFile(folder / "b.pixels").locked():
        cached(dataset, folder)
    assert [left.exists() for left in (own, written, abandoned)] == [False, True, False]
