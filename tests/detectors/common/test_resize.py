import pytest
import torch

from singleshot.detectors.common.resize import resize, resize_to_bytes

KINDS = ["antialias", "torchvision", "opencv", "tensorflow1", "darknet"]
# Three columns, the same in all channels and rows.
COLUMNS = torch.tensor([0, 100, 200], dtype=torch.uint8).expand(3, 4, 3)


@pytest.mark.parametrize("how", KINDS)
def test_an_image_of_the_input_size_stays_as_it_is(how, random):
    image = torch.randint(256, (3, 5, 7), generator=random, dtype=torch.uint8)
    torch.testing.assert_close(resize(image, (5, 7), how), image.float())


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("antialias", [0, 40, 100, 160, 200]),
        ("torchvision", [0, 40, 100, 160, 200]),
        ("opencv", [0, 40, 100, 160, 200]),
        ("tensorflow1", [0, 60, 120, 180, 200]),
        ("darknet", [0, 50, 100, 150, 200]),
    ],
)
def test_columns_lie_where_each_library_samples_them(how, expected):
    row = resize(COLUMNS, (4, 5), how)[0, 0]
    torch.testing.assert_close(row, torch.tensor(expected).float(), atol=1e-3, rtol=0)


def test_antialiasing_averages_where_it_shrinks():
    stripes = torch.tensor([0, 255] * 8, dtype=torch.uint8).expand(3, 4, 16)
    averaged = resize(stripes, (4, 4), "antialias")[0, 0]
    sampled = resize(stripes, (4, 4), "tensorflow1")[0, 0]
    assert averaged.sub(127.5).abs().max() < 32
    assert sampled.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("how", KINDS)
def test_bytes_are_the_rounded_result(how, random):
    image = torch.randint(256, (3, 40, 60), generator=random, dtype=torch.uint8)
    rounded = resize(image, (17, 23), how).round()
    assert torch.equal(resize_to_bytes(image, (17, 23), how).float(), rounded)


def test_planes_and_interleaved_pixels_give_the_same_bytes(random):
    planes = torch.randint(256, (3, 480, 640), generator=random, dtype=torch.uint8)
    interleaved = planes.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    expected = resize_to_bytes(planes, (300, 300), "antialias")
    found = resize_to_bytes(interleaved, (300, 300), "antialias")
    assert torch.equal(found, expected)
    assert found.stride() == expected.stride() == (1, 900, 3)


def test_another_kind_is_refused():
    with pytest.raises(Exception, match="bicubic"):
        resize(COLUMNS, (4, 5), "bicubic")
