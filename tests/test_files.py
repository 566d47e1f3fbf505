import errno
import os
import zipfile
from pathlib import Path

import pytest

from singleshot import files
from singleshot.errors import StorageError
from singleshot.files import (
    describe_damage,
    distinct_names,
    hash_file,
    require_empty_folder,
    require_writable,
    write_atomically,
    write_folder_atomically,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new folder" / "file"
    with write_atomically(path) as beside:
        beside.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fill_the_disk():
        with write_atomically(path) as beside:
            beside.write_text("half of the n")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="file: not written: No space left on device"):
        fill_the_disk()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_any_other_mistake_leaves_nothing_behind(tmp_path):
    def stumble():
        with write_atomically(tmp_path / "file") as beside:
            beside.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        stumble()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_when_it_is_complete(tmp_path):
    (tmp_path / "new").mkdir()
    with write_folder_atomically(tmp_path / "new") as beside:
        (beside / "a.txt").write_text("whole")
        assert list((tmp_path / "new").iterdir()) == []
    assert (tmp_path / "new/a.txt").read_text() == "whole"


def test_after_an_error_nothing_is_left_of_a_folder(tmp_path):
    def write():
        with write_folder_atomically(tmp_path / "new") as beside:
            (beside / "a.txt").touch()
            raise OSError(errno.ENOSPC, "No space left")

    with pytest.raises(StorageError, match="new: not written: No space left; nothing was changed"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_of_a_folder_is_deleted(tmp_path):
    for name in (f".new.{2**22 + 1}.part", f".new.{os.getppid()}.part", ".new.mine.part"):
        (tmp_path / name).mkdir()
    with write_folder_atomically(tmp_path / "new"):
        pass
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f".new.{os.getppid()}.part", ".new.mine.part", "new"])


def test_a_folder_that_holds_something_is_refused(tmp_path):
    require_empty_folder(tmp_path / "new")
    (tmp_path / ".hidden").touch()
    with pytest.raises(StorageError, match=r"is not empty: there is \.hidden; choose a new"):
        require_empty_folder(tmp_path)


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_text("content")

    def write():
        with write_atomically(tmp_path / "file" / "inside") as beside:
            beside.write_text("never")

    with pytest.raises(StorageError, match="inside: not written: a file is where a folder"):
        write()


def test_on_windows_no_signal_checks_a_process(monkeypatch):
    # There os.kill(number, 0) ends the process.
    signals = []
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "kill", lambda *words: signals.append(words))
        patch.setattr(files.os, "name", "nt")
        answers = [files.is_alive(number) for number in (1, os.getpid())]
    assert answers == [True, False]
    assert signals == []


def test_a_place_that_cannot_be_written_is_refused_beforehand_and_left_as_it_is(tmp_path):
    (tmp_path / "file").write_text("content")
    for path, message in (
        (tmp_path, "is a folder; choose the path of a file"),
        (tmp_path / "file" / "new" / "inside", "file is a file"),
    ):
        with pytest.raises(StorageError, match=message):
            require_writable(path)
    require_writable(tmp_path / "new" / "folder" / "file")
    require_writable(tmp_path / "file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission_is_refused_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StorageError, match="no permission to write into"):
        require_writable(tmp_path / "file")


def test_the_hash_of_a_file_is_its_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")  # the example of FIPS 180-2
    assert hash_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_git_lfs_pointer_is_described_as_one(tmp_path):
    path = tmp_path / "best.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "git lfs pull" in describe_damage(path)


def test_an_archive_that_is_cut_short_is_described_as_one(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", "content")
    assert describe_damage(path) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut short" in describe_damage(path)


@pytest.mark.parametrize("content", [b"text", b"\x02\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0{x"])
def test_no_damage_is_described_without_a_sign_of_any(tmp_path, content):
    path = tmp_path / "model"
    path.write_bytes(content)
    assert describe_damage(path) is None
    assert describe_damage(tmp_path) is None


def test_an_empty_file_is_described_as_one(tmp_path):
    (tmp_path / "model").touch()
    assert describe_damage(tmp_path / "model") == "empty; copy it again"


@pytest.mark.parametrize(
    "header", ['{"a": {"data_offsets": []}}', '{"a": 3}', '{"a": {"data_offsets": [0, "x"]}}', "{"]
)
def test_a_header_of_safetensors_that_is_damaged_is_no_crash(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    assert describe_damage(path) is None


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["one/s0", "two/s0", "two/s1"], ["one/s0", "two/s0", "s1"]),
        (["s0", "two/s0"], ["s0", "two/s0"]),
        (["/x/s0", "/y/s0"], ["x/s0", "y/s0"]),
    ],
)
def test_a_name_is_the_shortest_end_of_a_path_that_no_other_has(paths, names):
    assert distinct_names([Path(path) for path in paths]) == names
