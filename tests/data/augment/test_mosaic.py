import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.data.augment.mosaic import Mosaic, mixup
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.render import Render
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.structures import Sample, Truth

SIZE = (96, 128)
PLAIN = Mosaic((), Render(SIZE, ("nearest",), (0, 0, 0)))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=30, deadline=None)


def sample(number, box=(60, 30, 140, 90)):
    """An image of its own grey, with one lighter object."""
    image = torch.full((3, 120, 200), 20 + 50 * number, dtype=torch.uint8)
    x1, y1, x2, y2 = box
    image[:, y1:y2, x1:x2] += 25
    truth = Truth.of(torch.tensor([box], dtype=torch.float32), torch.tensor([number]))
    return Sample(image, truth, f"image {number}")


def four(seed):
    random = np.random.default_rng(seed)
    boxes = [(x, y, x + 60, y + 40) for x, y in random.integers((140, 80), size=(4, 2)).tolist()]
    return [sample(number, box) for number, box in enumerate(boxes)]


@given(seeds)
@few
def test_four_images_meet_at_a_point_in_the_middle_half(seed):
    result = PLAIN(four(seed), torch.Generator().manual_seed(seed))
    owner = (result.image[0].int() - 20) // 50
    height, width = SIZE
    y, x = int((owner[:, 0] == 0).sum()), int((owner[0] == 0).sum())
    assert height / 4 <= y <= 3 * height / 4
    assert width / 4 <= x <= 3 * width / 4
    below, right = torch.arange(height) >= y, torch.arange(width) >= x
    assert torch.equal(owner, 2 * below[:, None].int() + right.int())


@given(seeds)
@few
def test_boxes_stay_on_their_objects_and_end_with_their_tile(seed):
    result = PLAIN(four(seed), torch.Generator().manual_seed(seed))
    for box, label in zip(result.truth.boxes, result.truth.labels, strict=True):
        rows, columns = (result.image[0] == 45 + 50 * int(label)).nonzero(as_tuple=True)
        seen = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        # Half a pixel of rounding at each edge, and the tile's own.
        assert box.tolist() == pytest.approx(seen, abs=1.01)


@given(seeds)
@few
def test_objects_whose_centre_is_cut_off_are_dropped(seed):
    result = PLAIN(four(seed), torch.Generator().manual_seed(seed))
    for number in set(range(4)) - set(result.truth.labels.tolist()):
        rows, columns = (result.image[0] == 45 + 50 * number).nonzero(as_tuple=True)
        # Less than half of it is to be seen along one side: the object is 60 of 200 by 40 of 120.
        width = len(columns.unique()) / (SIZE[1] * 60 / 200)
        height = len(rows.unique()) / (SIZE[0] * 40 / 120)
        assert min(width, height) < 0.45


def test_objects_keep_their_shape():
    # A tile shows its image a quarter to a half smaller than it would be alone.
    middle = [sample(number, (98, 58, 102, 62)) for number in range(4)]
    sizes = []
    for seed in range(30):
        boxes = PLAIN(middle, torch.Generator().manual_seed(seed)).truth.boxes
        sizes.append(boxes[:, 2:] - boxes[:, :2])
    width, height = torch.cat(sizes).unbind(1)
    torch.testing.assert_close(
        width / height, torch.full_like(width, 128 / 200 / (96 / 120)), rtol=0.03, atol=0
    )
    whole = 4 * 128 / 200
    assert width.min() >= 0.49 * whole
    assert width.max() <= 0.76 * whole


def test_difficult_objects_and_crowds_stay_what_they_are():
    samples = [sample(number, (98, 58, 102, 62)) for number in range(4)]
    truth = samples[0].truth
    special = Truth(truth.boxes, truth.labels, ~truth.difficult, ~truth.crowd, truth.areas)
    samples[0] = Sample(samples[0].image, special, "")
    found = PLAIN(samples, torch.Generator().manual_seed(0)).truth
    assert found.difficult.tolist() == found.crowd.tolist() == (found.labels == 0).tolist()


def test_a_mosaic_is_named_after_all_its_images():
    named = PLAIN([sample(n) for n in range(4)], torch.Generator().manual_seed(0)).name
    assert named == "image 0 + image 1 + image 2 + image 3"


def test_two_images_shine_through_each_other():
    one, other = sample(0), sample(1)
    result = mixup(one, other)
    # 20 and 70 make 45; under both objects 45 and 95 make 70.
    assert set(result.image.unique().tolist()) == {45, 70}
    assert result.truth.labels.tolist() == [0, 1]
    assert torch.equal(result.truth.boxes, torch.cat([one.truth.boxes, other.truth.boxes]))


def mixing(**settings):
    return Augmentation.of(AugmentationSettings(**settings), SIZE, (0, 0, 0))


def test_without_mixing_no_random_number_is_spent():
    def never():
        raise AssertionError

    plain = mixing()
    mixed = plain.mix(sample(0), never, torch.Generator().manual_seed(3))
    assert torch.equal(mixed.image, plain(sample(0), torch.Generator().manual_seed(3)).image)


@pytest.mark.parametrize(("mosaic", "mixup", "others"), [(1, 0, 3), (0, 1, 1), (1, 1, 4)])
def test_a_mosaic_reads_three_more_images_and_mixup_one(mosaic, mixup, others):
    reads = []

    def another():
        reads.append(1)
        return sample(len(reads) % 4)

    augmentation = mixing(mosaic=mosaic, mixup=mixup)
    result = augmentation.mix(sample(0), another, torch.Generator().manual_seed(3))
    assert len(reads) == others
    assert result.image.shape == (3, *SIZE)
    assert result.image.permute(1, 2, 0).is_contiguous()


@given(seeds)
@few
def test_varied_mosaics_hold_their_boxes(seed):
    samples = four(seed)
    result = mixing(mosaic=1).mix(
        samples[0], iter(samples[1:]).__next__, torch.Generator().manual_seed(seed)
    )
    x1, y1, x2, y2 = result.truth.boxes.unbind(1)
    assert ((x1 >= 0) & (x1 < x2) & (x2 <= SIZE[1])).all()
    assert ((y1 >= 0) & (y1 < y2) & (y2 <= SIZE[0])).all()
