import pytest
import torch

from singleshot.data.augment.colours import ColourChange
from singleshot.data.augment.render import Render
from singleshot.data.augment.view import View
from singleshot.structures import Sample, Truth

SIZE = (96, 128)


FILL = (123, 117, 104)


@pytest.fixture
def sample(random):
    image = torch.randint(256, (3, 120, 200), generator=random, dtype=torch.uint8)
    boxes = torch.tensor([[20.0, 20, 100, 90], [150, 10, 190, 60]])
    return Sample(image, Truth.of(boxes, torch.tensor([1, 0])), "an image")


def drawn(sample, window, *, flipped=False, upside_down=False, size=SIZE):
    view = View(sample, window, sample.truth, flipped, ColourChange(), upside_down)
    return Render(size, ("bilinear",), FILL)(view, torch.Generator())


def test_the_whole_image_at_its_own_size_is_the_image(sample):
    result = drawn(sample, (0, 0, 200, 120), size=(120, 200))
    assert torch.equal(result.image, sample.image)
    assert torch.equal(result.truth.boxes, sample.truth.boxes)


def test_a_crop_shows_those_pixels(sample):
    result = drawn(sample, (10, 20, 110, 80), size=(60, 100))
    assert torch.equal(result.image, sample.image[:, 20:80, 10:110])
    # The first box reaches beyond the crop and is clipped to it, the second is far outside.
    assert result.truth.boxes[0].tolist() == [10, 0, 90, 60]


def test_flipped_pixels_and_boxes(sample):
    result = drawn(sample, (0, 0, 200, 120), flipped=True, size=(120, 200))
    assert torch.equal(result.image, sample.image.flip(-1))
    assert result.truth.boxes[0].tolist() == [100, 20, 180, 90]


def test_beyond_the_image_is_the_fill(sample):
    result = drawn(sample, (-200, -120, 200, 120), size=(120, 200))
    assert torch.equal(result.image[:, 0, 0], torch.tensor(FILL, dtype=torch.uint8))
    inside = result.image[:, 60:, 100:].float().mean()
    assert inside == pytest.approx(float(sample.image.float().mean()), abs=2)
    assert result.truth.boxes[0].tolist() == [110, 70, 150, 105]


def test_both_flips_turn_what_is_beyond_the_image_too(sample):
    window = (-200, -120, 200, 120)
    plain = drawn(sample, window, size=(120, 200))
    turned = drawn(sample, window, flipped=True, upside_down=True, size=(120, 200))
    assert torch.equal(turned.image, plain.image.flip(-1, -2))
    assert turned.truth.boxes[0].tolist() == [50, 15, 90, 50]


def test_a_window_without_any_of_the_image_is_all_fill(sample):
    result = drawn(sample, (300, 300, 400, 400))
    assert set(map(tuple, result.image.permute(1, 2, 0).reshape(-1, 3).tolist())) == {FILL}


def test_pixels_lie_channels_last_in_memory(sample):
    assert drawn(sample, (0, 0, 200, 120)).image.permute(1, 2, 0).is_contiguous()
