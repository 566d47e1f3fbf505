"""Images inside other files."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from singleshot.data.image_files.archives import Member, image_exists, member_path
from singleshot.data.image_files.decoding import image_size, read_image
from singleshot.data.image_files.headers import read_header
from singleshot.data.image_files.inputs import as_tensor
from singleshot.errors import DataError
from singleshot.runs.splits import hash_image


@pytest.fixture(params=[(60, 40), (700, 500)], ids=["small", "large"])
def packed(tmp_path, request):
    """An image file, and the path of a copy of it in the middle of another file."""
    noise = torch.randint(256, (*request.param[::-1], 3), dtype=torch.uint8)
    file = tmp_path / "a.b.jpg"
    Image.fromarray(noise.numpy()).save(file, quality=95)
    content = file.read_bytes()
    archive = tmp_path / "train-#1.record"
    archive.write_bytes(b"before" + content + b"behind")
    return file, member_path(archive, len(b"before"), len(content), file.name)


def test_its_path_ends_with_the_name_of_the_image(packed):
    file, member = packed
    assert (member.name, member.stem, member.suffix) == ("a.b.jpg", "a.b", ".jpg")
    assert member.parent.name == f"train-#1.record#6+{file.stat().st_size}"


def test_it_is_the_same_image_everywhere(packed):
    file, member = packed
    assert torch.equal(read_image(member), read_image(file))
    assert torch.equal(as_tensor(str(member)), read_image(file))
    assert image_size(member) == image_size(file)
    assert read_header(member) == read_header(file)
    assert hash_image(member) == hash_image(file)
    assert image_exists(member)


def test_one_that_is_cut_short_is_read_as_far_as_it_goes(packed):
    file, member = packed
    _, offset, length = Member.of(member)
    cut = member_path(Member.of(member).archive, offset, length - 200, file.name)
    assert read_header(cut).state == "truncated"
    with pytest.raises(DataError, match=r"a\.b\.jpg: the image is broken"):
        read_image(cut)
    assert read_image(cut, truncated="keep").shape == read_image(file).shape


def test_without_the_archive_there_is_no_image(packed):
    member = packed[1]
    Member.of(member).archive.unlink()
    assert not image_exists(member)
    with pytest.raises(DataError, match=r"a\.b\.jpg: there is no such image"):
        read_image(member)


def test_a_folder_of_such_a_name_is_a_folder(tmp_path):
    folder = tmp_path / "x#1+2"
    folder.mkdir()
    Image.new("RGB", (4, 3)).save(folder / "a.png")
    assert Member.of(folder / "a.png") is None
    assert image_size(folder / "a.png") == (3, 4)
