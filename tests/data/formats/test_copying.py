from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

import pytest
import torch

from singleshot.data.dataset import DataSet
from singleshot.data.formats.copying import copy_images, reporting_copies
from singleshot.errors import DataError, StorageError
from singleshot.structures import Truth


def dataset_of(folder: Path, *names: str) -> DataSet:
    """Make a data set of files that hold their own names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    none = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    return DataSet.of((), [(folder / name, none) for name in names], description="")


@pytest.mark.parametrize(
    ("names", "stems", "expected"),
    [
        (["a/1.jpg", "b/2.jpg"], False, ["1.jpg", "2.jpg"]),
        (["a/1.jpg", "b/1.jpg"], False, ["a_1.jpg", "b_1.jpg"]),
        (["t/images/1.jpg", "v/images/1.jpg"], False, ["t_1.jpg", "v_1.jpg"]),
        (["a/1.jpg", "b/1.jpg", "c/a_1.jpg"], False, ["a_1-2.jpg", "b_1.jpg", "a_1.jpg"]),
        (["a/1.jpg", "a/b/1.jpg"], False, ["1.jpg", "b_1.jpg"]),
        (["a/1.jpg", "b/1.JPG"], False, ["a_1.jpg", "b_1.JPG"]),
        (["a/1.jpg", "a/1.png"], False, ["1.jpg", "1.png"]),
        (["a/1.jpg", "a/1.png"], True, ["1.jpg", "1-2.png"]),
    ],
)
def test_equal_names_get_the_folders_in_which_they_differ(tmp_path, names, stems, expected):
    dataset = dataset_of(tmp_path / "from", *names)
    with reporting_copies() as report:
        copies = copy_images(dataset, tmp_path / "to", unique_stems=stems)
    assert [copy.name for copy in copies] == expected
    assert [copy.read_text() for copy in copies] == names
    changed = [new for old, new in zip(names, expected, strict=True) if Path(old).name != new]
    assert list(report.renamed.values()) == changed


def test_links_take_no_space(tmp_path):
    dataset = dataset_of(tmp_path / "from", "a.jpg")
    with reporting_copies(link=True) as report:
        (copy,) = copy_images(dataset, tmp_path / "to")
    assert copy.samefile(dataset.paths[0])
    assert report.num_copied == 0
    (copy,) = copy_images(dataset, tmp_path / "again")
    assert not copy.samefile(dataset.paths[0])


def test_where_links_are_impossible_images_are_copied(tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("another disk")))
    with reporting_copies(link=True) as report:
        copy_images(dataset_of(tmp_path / "from", "a.jpg"), tmp_path / "to")
    assert report.num_copied == 1


def test_a_missing_image_is_named(tmp_path):
    dataset = dataset_of(tmp_path, "a.jpg")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.jpg: there is no such image"):
        copy_images(dataset, tmp_path / "to")


@pytest.mark.parametrize(
    ("names", "expected", "message"),
    [
        (("{source}",), DataError, "{source}: cannot be read: Permission denied"),
        (("{target}",), StorageError, "{target}: not written: Permission denied"),
        (("{source}", None, "{target}"), StorageError, "{target}: not written: Permission denied"),
    ],
)
def test_the_file_that_cannot_be_read_or_written_is_named(
    tmp_path, monkeypatch, names, expected, message
):
    source, target = tmp_path / "a.png", tmp_path / "to" / "a.png"
    dataset = dataset_of(tmp_path, "a.png")

    def fill(text):
        return None if text is None else text.format(source=source, target=target)

    def copyfile(*_):
        raise OSError(errno.EACCES, "Permission denied", *map(fill, names))

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(expected, match=re.escape(fill(message))):
        copy_images(dataset, tmp_path / "to")
