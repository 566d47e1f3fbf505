import pytest
from cells import make_cells

from singleshot.benchmarking.images import choose_images
from singleshot.benchmarking.options import BenchmarkOptions
from singleshot.data.image_files.decoding import image_size
from singleshot.errors import DataError


def test_without_data_images_of_the_size_are_drawn(tmp_path):
    chosen = choose_images(BenchmarkOptions(size="64x48"), tmp_path)
    assert {image_size(path) for path in chosen.paths} == {(48, 64)}
    assert chosen.description == "synthetic images of 64 × 48"
    assert not chosen.annotated


def test_images_of_the_test_split_are_chosen(tmp_path):
    cells = make_cells(tmp_path / "cells")
    chosen = choose_images(BenchmarkOptions(cells), tmp_path)
    assert [path.stem for path in chosen.paths] == ["test_0", "test_1"]
    assert chosen.annotated


def test_a_folder_of_images_alone_will_do(tmp_path):
    cells = make_cells(tmp_path / "cells")
    chosen = choose_images(BenchmarkOptions(cells / "JPEGImages"), tmp_path)
    assert len(chosen.paths) == 10
    assert not chosen.annotated


def test_neither_annotations_nor_images_are_refused_as_data_is(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataError, match=r"no such|unknown layout"):
            choose_images(BenchmarkOptions(path), tmp_path)
