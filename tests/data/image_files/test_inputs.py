"""What Python programs hold as images: taken where it means one thing, else refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from singleshot.data.image_files.decoding import read_image
from singleshot.data.image_files.inputs import as_tensor, as_tensors
from singleshot.errors import DataError


@pytest.fixture
def photo():
    """A photograph of 5 x 7 pixels (height x width), of random colours."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.fixture
def planes(photo):
    """The same as a tensor."""
    return torch.from_numpy(photo.transpose(2, 0, 1).copy())


def test_a_tensor_is_returned_as_it_is(planes):
    assert as_tensor(planes) is planes


def test_every_form_of_an_image_gives_the_same_pixels(photo, planes, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    read_only = np.asarray(Image.fromarray(photo))
    bgr = np.ascontiguousarray(photo[:, :, ::-1])
    for form in (photo, read_only, bgr[:, :, ::-1], Image.fromarray(photo), path, str(path)):
        assert torch.equal(as_tensor(form), planes)


@pytest.mark.parametrize("form", [lambda gray: gray, lambda gray: gray[..., None], torch.tensor])
def test_gray_is_copied_to_three_channels(photo, form):
    gray = photo[:, :, 0]
    expected = torch.from_numpy(np.stack([gray, gray, gray]))
    assert torch.equal(as_tensor(form(gray)), expected)
    assert torch.equal(as_tensor(Image.fromarray(gray)), expected)
    assert torch.equal(as_tensor(torch.tensor(gray)[None]), expected)


def test_transparency_is_white_as_in_files(tmp_path):
    array = np.zeros((2, 3, 4), dtype=np.uint8)
    array[0, :, 3] = 255  # the upper row is black, the lower one transparent
    Image.fromarray(array).save(tmp_path / "icon.png")
    expected = read_image(tmp_path / "icon.png")
    assert expected[:, 1].min() == 255
    assert torch.equal(as_tensor(array), expected)
    assert torch.equal(as_tensor(Image.fromarray(array)), expected)


def test_one_image_a_batch_and_a_generator_are_lists_of_images(photo, planes):
    for one in (planes, photo, Image.fromarray(photo)):
        (converted,) = as_tensors(one)
        assert torch.equal(converted, planes)
    two = (torch.stack([planes, planes]), np.stack([photo, photo]), (x for x in [photo, planes]))
    for batch in two:
        assert [torch.equal(image, planes) for image in as_tensors(batch)] == [True, True]
    assert as_tensors([]) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            torch.tensor([0.0, 1.0]).expand(3, 4, 2),
            r"image 0: a tensor of type torch.float32 and shape \(3, 4, 2\), with values from 0 to "
            r"1; expected uint8 from 0 to 255: \(image \* 255\)\.round\(\)\.to\(torch\.uint8\)",
        ),
        (
            np.full((4, 2, 3), 254.5),
            r"NumPy array of type float64 and shape \(4, 2, 3\), with values from 254\.5 to 254\.5"
            r"; expected uint8 from 0 to 255: image\.round\(\)\.astype\('uint8'\)",
        ),
        (np.full((4, 2, 3), 65535, dtype=np.uint16), "type uint16 .* scale the values first"),
        (torch.tensor([-1.0, 1.0]).expand(3, 4, 2), "from -1 to 1; .* scale the values first"),
        (torch.full((3, 4, 2), torch.nan), "scale the values first"),
        (np.zeros((4, 2), dtype=bool), r"type bool .* \(image \* 255\)"),
        (np.array([["a.jpg"]]), "NumPy array of type <U5 .*; expected an image file"),
        (torch.zeros(3, 2, 2, dtype=torch.complex64), "type torch.complex64 .*; expected an image"),
        (torch.zeros(4, 2, 3, dtype=torch.uint8), r"expected \(3, h, w\): image\.permute"),
        (np.zeros((3, 4, 2), dtype=np.uint8), r"expected \(h, w, 3\): image\.transpose"),
        (torch.zeros(4, 6, 2, dtype=torch.uint8), r"expected \(3, h, w\): image\[:3\]"),
        (np.zeros((4, 2, 5), dtype=np.uint8), r"shape \(4, 2, 5\); expected \(h, w, 3\)"),
        (torch.zeros(2, dtype=torch.uint8), r"shape \(2,\); expected \(3, h, w\)"),
        (torch.zeros(3, 0, 2, dtype=torch.uint8), r"shape \(3, 0, 2\) has no pixels"),
        (np.zeros((0, 2, 4), dtype=np.uint8), r"shape \(0, 2, 4\)"),
        (torch.zeros(3, 0, 2), r"shape \(3, 0, 2\); expected an image"),
        (Image.new("RGB", (0, 2)), "a Pillow image of 0 x 2 has no pixels"),
        ("nowhere.jpg", "nowhere.jpg: there is no such image"),
    ],
)
def test_what_is_ambiguous_is_refused_with_the_remedy(image, message):
    with pytest.raises(DataError, match=message):
        as_tensors(image)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "images: of type NoneType; expected an image file"),
        (b"bytes", "images: of type bytes"),
        ({"image": 1}, "images: of type dict"),
        ([None], "image 0: of type NoneType"),
        ([[1, 2]], "image 0: of type list"),
    ],
)
def test_what_is_no_image_is_refused_by_its_type(images, message):
    with pytest.raises(DataError, match=message):
        as_tensors(images)


def test_an_error_has_the_index_of_the_image(planes):
    with pytest.raises(DataError, match=r"image 1: .*shape \(2, 3, 5, 7\); .*given alone"):
        as_tensors([planes, torch.stack([planes, planes])])


def test_an_image_that_is_still_to_be_turned_is_refused(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # displayed a quarter turn to the right
    Image.fromarray(photo).save(tmp_path / "phone.jpg", exif=exif)
    with (
        Image.open(tmp_path / "phone.jpg") as image,
        pytest.raises(DataError, match=r"image 0: lies on its side .*exif_transpose"),
    ):
        as_tensors([image])
    assert as_tensor(tmp_path / "phone.jpg").shape == (3, 7, 5)


def test_a_truncated_file_opened_by_pillow_is_refused(tmp_path):
    path = tmp_path / "cut.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with Image.open(path) as image, pytest.raises(DataError, match="image 0: the image is broken"):
        as_tensors(image)


def test_a_path_without_an_image_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"is a folder; for all its images: detector\.predict\('"):
        as_tensors(str(tmp_path))
    with pytest.raises(DataError, match=r"a\.jpg: there is no such image; check the path$"):
        as_tensors([tmp_path / "a.jpg"])
