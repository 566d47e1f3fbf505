import errno

import pytest

from singleshot.errors import StorageError
from singleshot.files import appears_whole


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new folder" / "file"
    with appears_whole(path) as beside:
        beside.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fill_the_disk():
        with appears_whole(path) as beside:
            beside.write_text("half of the n")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="file: not written: No space left on device"):
        fill_the_disk()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_any_other_mistake_leaves_nothing_behind(tmp_path):
    def stumble():
        with appears_whole(tmp_path / "file") as beside:
            beside.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        stumble()
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_text("content")

    def write():
        with appears_whole(tmp_path / "file" / "inside") as beside:
            beside.write_text("never")

    with pytest.raises(StorageError, match="inside: not written: "):
        write()
