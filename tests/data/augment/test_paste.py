from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data import shuffling
from singleshot.data.augment.paste import Paste, RareObjects, describe_paste, shared_parts
from singleshot.data.augment.pipeline import Augmentation
from singleshot.data.augment.settings import AugmentationSettings
from singleshot.data.batching import AugmentedImages, Draw, Order, training_batches
from singleshot.data.dataset import DataSet
from singleshot.data.image_files.paths import ImagePaths
from singleshot.errors import RecipeError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Sample, Truth
from singleshot.training.build import build_images

HEIGHT, WIDTH = 60, 80
COMMON, RARE, RARER = 0, 1, 2


def sample_of(objects: list[tuple[int, tuple[float, ...]]], grey: int, name: str) -> Sample:
    labels = torch.tensor([label for label, _ in objects]).long()
    boxes = torch.tensor([box for _, box in objects]).float().reshape(-1, 4)
    image = torch.full((3, HEIGHT, WIDTH), grey, dtype=torch.uint8)
    return Sample(image, Truth.of(boxes, labels), name)


def paste_of(*rare: int) -> Paste:
    is_rare = np.isin(np.arange(3), rare)
    return Paste(1.0, RareObjects(np.zeros(1, int), np.ones(1, int), is_rare))


TARGET = sample_of([(COMMON, (0, 0, 20, 20))], 100, "target")
DONOR = sample_of([(RARE, (30.5, 20, 50, 40)), (COMMON, (60, 40, 80, 60))], 200, "donor")


@given(st.integers(0, 10_000))
def test_an_object_is_pasted_whole_at_its_size_where_it_covers_little(seed):
    random = torch.Generator().manual_seed(seed)
    sides = torch.rand(4, 2, generator=random) * 20 + 3
    corners = torch.rand(4, 2, generator=random) * torch.tensor([WIDTH - 23.0, HEIGHT - 23.0])
    boxes = torch.hstack([corners, corners + sides])
    target = Sample(TARGET.image, Truth.of(boxes, torch.zeros(4, dtype=torch.int64)), "target")
    pasted = paste_of(RARE)(target, DONOR, random)
    boxes, labels = pasted.truth.boxes, pasted.truth.labels
    assert torch.equal(boxes[:4], target.truth.boxes)
    for box, label in zip(boxes[4:], labels[4:], strict=True):
        assert label == RARE
        assert (box[2:] - box[:2]).tolist() == [19.5, 20]
        assert box.min() >= 0
        assert box[2] <= WIDTH
        assert box[3] <= HEIGHT
        assert shared_parts(box.numpy(), boxes[:4].numpy()).max() <= 0.2
    assert len(boxes) in (4, 5)


def test_pixels_are_the_donors_inside_a_mixture_around_and_the_images_beyond():
    random = torch.Generator().manual_seed(0)
    pasted = paste_of(RARE)(TARGET, DONOR, random)
    assert pasted.name == "target + donor"
    x1, y1, x2, y2 = pasted.truth.boxes[-1].tolist()
    left, top, right, bottom = int(x1), int(y1), int(np.ceil(x2)), int(np.ceil(y2))
    image = pasted.image.clone()
    assert (image[:, top:bottom, left:right] == 200).all()
    image[:, top:bottom, left:right] = 0
    border = 3  # 0.15 of 20 pixels
    area = image[:, max(top - border, 0) : bottom + border, max(left - border, 0) : right + border]
    assert set(area.unique().tolist()) <= {0, *range(101, 200)}
    area[:] = 0
    assert set(image.unique().tolist()) == {0, 100}
    assert (TARGET.image == 100).all()  # which may be in a cache
    assert len(TARGET.truth) == 1


def test_common_classes_crowds_and_hidden_objects_are_not_pasted():
    random = torch.Generator().manual_seed(0)
    assert paste_of(RARER)(TARGET, DONOR, random) is TARGET
    for flag in ("crowd", "difficult"):
        truth = replace(DONOR.truth, **{flag: torch.tensor([True, False])})
        assert paste_of(RARE)(TARGET, replace(DONOR, truth=truth), random) is TARGET
    over = sample_of([(RARE, (30, 20, 50, 40)), (COMMON, (40, 20, 60, 40))], 200, "donor")
    assert paste_of(RARE)(TARGET, over, random) is TARGET
    beside = sample_of([(RARE, (30, 20, 50, 40)), (COMMON, (48, 20, 60, 40))], 200, "donor")
    assert len(paste_of(RARE)(TARGET, beside, random).truth) == 2


def test_an_image_that_is_too_small_or_full_stays_as_it_is():
    random = torch.Generator().manual_seed(0)
    small = Sample(TARGET.image[:, :15], TARGET.truth, "small")
    assert paste_of(RARE)(small, DONOR, random) is small
    full = sample_of([(COMMON, (0, 0, WIDTH, HEIGHT))], 100, "full")
    assert paste_of(RARE)(full, DONOR, random) is full


def test_an_image_lends_three_objects_at_most():
    objects = [(RARE, (x, 0, x + 6, 6)) for x in range(0, 72, 8)]
    pasted = paste_of(RARE)(TARGET, sample_of(objects, 200, "d"), torch.Generator().manual_seed(0))
    assert len(pasted.truth) == 1 + 3


# 20 images: the common class is in all but the last, rare ones in three and in one.
LABELS = [[COMMON]] * 15 + [[COMMON, RARE, RARE]] * 3 + [[COMMON, RARER], []]


def dataset() -> DataSet:
    places = [
        torch.tensor([[20.0 * n, 5, 20 * n + 12, 20] for n in range(len(own))]) for own in LABELS
    ]
    truths = [
        Truth.of(boxes.reshape(-1, 4), torch.tensor(own).long())
        for boxes, own in zip(places, LABELS, strict=True)
    ]
    images = [(Path(f"{number:02}"), truth) for number, truth in enumerate(truths)]
    return DataSet.of(("common", "rare", "rarer"), images, description="made up")


def test_each_rare_class_is_drawn_as_often():
    objects = RareObjects.of(dataset(), 0.2)
    assert objects is not None
    assert objects.is_rare.tolist() == [False, True, True]
    random = torch.Generator().manual_seed(0)
    drawn = Counter(objects.draw_image(random) for _ in range(1200))
    assert set(drawn) == {15, 16, 17, 18}
    assert drawn[18] == pytest.approx(600, abs=70)
    assert drawn[16] == pytest.approx(200, abs=50)
    fewer = RareObjects.of(dataset(), 0.1)
    assert fewer is not None
    assert fewer.is_rare.tolist() == [False, False, True]
    assert RareObjects.of(dataset(), 0.05) is None


def test_the_message_names_the_classes_or_that_none_is_rare():
    settings = AugmentationSettings(paste=0.5, paste_share=0.2)
    text = describe_paste(settings, dataset())
    assert text == (
        "augmentation.paste = 0.5: objects of classes in less than 20% of 20 images are pasted: "
        "rare (in 3), rarer (in 1)"
    )
    assert "nothing is pasted" in describe_paste(
        settings.model_copy(update={"paste_share": 0.05}), dataset()
    )


def varied(**settings: float) -> AugmentedImages:
    random, own = torch.Generator().manual_seed(0), dataset()
    images = torch.randint(256, (20, 3, HEIGHT, WIDTH), generator=random, dtype=torch.uint8)
    samples = [Sample(one, own.truth(n), str(n)) for n, one in enumerate(images)]
    chosen = AugmentationSettings.model_validate({"paste_share": 0.2, **settings})
    augmentation = Augmentation.of(chosen, (32, 48), (0, 0, 0))
    return AugmentedImages(samples, augmentation, seed=7, paste=Paste.of(chosen, own))


def test_a_sample_with_pasted_objects_can_be_drawn_again_to_the_byte():
    first, again = varied(paste=1.0)[Draw(0, 3)], varied(paste=1.0)[Draw(0, 3)]
    assert first.name == again.name
    assert first.name.startswith("3 + 1")
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.truth.boxes, again.truth.boxes)
    order = Order(20, 5, 8, seed=7)
    here, there = (
        list(training_batches(varied(paste=0.7), order, workers=number, pin_memory=False))
        for number in (0, 1)
    )
    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert ours.names == theirs.names


def test_it_happens_with_its_probability_and_not_at_the_clean_end():
    images = varied(paste=0.3)
    pasted = sum("+" in images[Draw(epoch, 3)].name for epoch in range(200))
    assert pasted == pytest.approx(60, abs=25)
    assert "+" not in varied(paste=1.0)[Draw(0, 3, clean=True)].name


def test_without_it_samples_are_as_ever():
    assert torch.equal(varied(paste=0.0)[Draw(0, 3)].image, varied()[Draw(0, 3)].image)
    none_rare = varied(paste=1.0, paste_share=0.01)
    assert torch.equal(none_rare[Draw(0, 3)].image, varied()[Draw(0, 3)].image)


def test_shards_that_are_larger_than_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 300)
    own = replace(
        dataset(),
        paths=ImagePaths.of(f"/data/{n // 2}.tar#{100 * n}+100/{n}.jpg" for n in range(20)),
    )
    recipe = load_recipe(
        "ssdlite320-lite0", {"augmentation.paste": 0.5, "model.backbone.weights": "none"}
    )
    model = build_detector(recipe.model, own.class_names, pretrained=False)
    with pytest.raises(RecipeError, match=r"augmentation.paste = 0.5 would read images of any"):
        build_images(recipe, own, model, own)
