import sys

import pytest
import torch

from singleshot.detectors.rcnn import selective_search
from singleshot.detectors.rcnn.selective_search import SelectiveSearch, whole_image_regions
from singleshot.errors import ModelError


@pytest.fixture
def scene(random):
    """Two rectangles of one colour each on another, with some noise."""
    image = torch.full((3, 60, 90), 200)
    for box, colour in (((10, 15, 40, 45), (60, 90, 200)), ((55, 5, 80, 50), (200, 60, 40))):
        x1, y1, x2, y2 = box
        image[:, y1:y2, x1:x2] = torch.tensor(colour)[:, None, None]
    noise = torch.randint(-3, 4, image.shape, generator=random)
    return (image + noise).to(torch.uint8)


@pytest.fixture
def searches(monkeypatch):
    """Every search that is made."""
    made = []
    search = selective_search._search

    def counted(segmentation, pixels):
        made.append(pixels.shape)
        return search(segmentation, pixels)

    monkeypatch.setattr(selective_search, "_search", counted)
    return made


def as_set(regions):
    return {tuple(region) for region in regions.tolist()}


def test_regions_are_the_things_of_an_image(scene):
    (regions,) = SelectiveSearch()(scene[None])
    assert {(10, 15, 40, 45), (55, 5, 80, 50), (0, 0, 90, 60)} <= as_set(regions)


def test_they_come_largest_first_and_the_smallest_are_left_out(scene):
    (every,) = SelectiveSearch()(scene[None])
    areas = (every[:, 2] - every[:, 0]) * (every[:, 3] - every[:, 1])
    assert areas.tolist() == sorted(areas.tolist(), reverse=True)
    (some,) = SelectiveSearch(regions=3)(scene[None])
    assert torch.equal(some, every[:3])


def test_a_second_search_finds_the_same_in_the_same_order(scene):
    found = [SelectiveSearch()(scene[None])[0] for _ in range(3)]
    assert all(torch.equal(regions, found[0]) for regions in found)


def test_an_image_is_searched_once_and_so_is_its_flip(scene, searches):
    search = SelectiveSearch()
    for image in (scene, scene.flip(2), scene):
        search(image[None])
    assert searches == [(60, 90, 3)]


def test_a_flipped_image_has_the_flipped_regions(scene):
    (regions,) = SelectiveSearch()(scene[None])
    (flipped,) = SelectiveSearch()(scene.flip(2)[None])
    x1, y1, x2, y2 = flipped.unbind(dim=1)
    assert as_set(torch.stack([90 - x2, y1, 90 - x1, y2], dim=1)) == as_set(regions)


def test_two_of_one_batch_have_different_regions(scene, searches):
    other = scene.flip(1)
    search = SelectiveSearch()
    together = search(torch.stack([scene, other, scene]))
    assert len(searches) == 2
    assert torch.equal(together[0], together[2])
    assert torch.equal(together[1], search(other[None])[0])


def test_what_was_not_used_lately_is_dropped(scene, searches, monkeypatch):
    monkeypatch.setattr(selective_search, "CACHE_SIZE", 2)
    search = SelectiveSearch()
    first, second, third = scene, scene.flip(1), 255 - scene
    for image in (first, second, first, third, first):
        search(image[None])
    assert len(searches) == 3
    search(second[None])
    assert len(searches) == 4


def test_wide_images_are_searched_at_another_width(scene, searches):
    (regions,) = SelectiveSearch(width=45)(scene[None])
    assert searches == [(30, 45, 3)]
    assert (regions[0] == torch.tensor([0.0, 0, 90, 60])).all()
    things = torch.tensor([[10.0, 15, 40, 45], [55, 5, 80, 50]])
    # They are found to two pixels, the ones that were searched being as large.
    assert ((regions[:, None] - things).abs().amax(dim=2) <= 2).any(dim=0).all()


def test_a_plain_image_is_one_region():
    (regions,) = SelectiveSearch()(torch.zeros(1, 3, 40, 50, dtype=torch.uint8))
    assert regions.tolist() == [[0, 0, 50, 40]]


def test_without_opencv_the_error_names_what_to_install(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModelError, match=r"pip install 'singleshot\[baselines\]'"):
        SelectiveSearch()(scene[None])


def test_an_opencv_without_its_extra_modules_does_not_do(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", object())
    with pytest.raises(ModelError, match="with its extra modules"):
        SelectiveSearch()(scene[None])


def test_whole_images_stand_for_as_many_regions_as_there_may_be():
    (regions,) = whole_image_regions(torch.zeros(1, 3, 40, 50), 7)
    assert regions.tolist() == [[0, 0, 50, 40]] * 7
