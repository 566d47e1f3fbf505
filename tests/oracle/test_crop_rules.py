"""Our crops and expansion against the published rules, on the same random numbers."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import crop_rules

from singleshot.boxes.geometry import clip, move_into
from singleshot.data.augment.geometry import CropAroundObjects, Expand, sampled_crops
from singleshot.data.augment.settings import CropSettings, ExpandSettings
from singleshot.data.augment.view import View
from singleshot.structures import Sample, Truth

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(16, 700), st.integers(16, 700))


def generator(seed):
    return torch.Generator().manual_seed(seed)


def view_of(boxes, size):
    truth = Truth.of(boxes, torch.arange(len(boxes)))
    return View.of(Sample(torch.zeros(1, dtype=torch.uint8).expand(3, *size), truth, "an image"))


def random_boxes(random, number, size, *, whole):
    height, width = size
    corners = random.random((number, 2)) * 0.8
    sides = 0.02 + random.random((number, 2)) * (0.98 - corners)
    boxes = np.concatenate([corners, corners + sides], axis=1) * [width, height, width, height]
    if whole:  # some without area
        boxes = np.round(boxes / 16) * 16
    return torch.from_numpy(boxes).float()


@given(seeds, sizes)
@settings(max_examples=30, deadline=None)
def test_crops_are_sampled_as_in_the_original(seed, size):
    crop = CropSettings()
    found = sampled_crops(view_of(torch.zeros(0, 4), size), crop, generator(seed))
    numbers = torch.rand(4, len(crop.min_ious), crop.trials, generator=generator(seed))
    height, width = size
    expected = [
        crop_rules.sample_box(one, crop.scale, crop.aspect_ratio)
        for one in numbers.flatten(1).T.double().tolist()
    ]
    found_unit = found.flatten(0, 1).numpy() / [width, height, width, height]
    np.testing.assert_allclose(found_unit, expected, atol=1e-5)


@given(seeds, sizes, st.integers(0, 4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_one_of_the_crops_that_overlap_enough_is_taken(seed, size, num_objects, whole):
    for case in range(10):
        boxes = random_boxes(np.random.default_rng([seed, case]), num_objects, size, whole=whole)
        view, crop = view_of(boxes, size), CropSettings(trials=6)
        found = CropAroundObjects(crop)(view, generator(seed))
        replay = generator(seed)
        torch.rand((), generator=replay)  # whether to crop at all
        trials = sampled_crops(view, crop, replay)
        min_ious = [np.float32(iou) for iou in crop.min_ious]
        samples = crop_rules.batch_samples(view.window, trials.numpy(), boxes.numpy(), min_ious)
        taken = samples[int(torch.randint(len(samples), (), generator=replay))]
        np.testing.assert_array_equal(found.window, np.array(taken, np.float64))
        kept = [
            index
            for index, box in enumerate(boxes.double().tolist())
            if crop_rules.emits_centre(np.array(taken, np.float64), box)
        ]
        assert found.truth.labels.tolist() == kept


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_boxes_of_a_crop_are_projected_as_in_the_original(seed):
    random = np.random.default_rng(seed)
    for _ in range(10):
        boxes = random_boxes(random, 5, (300, 300), whole=False)
        corner, side = random.random(2) * 150, 50 + random.random(2) * 100
        window = (*corner.tolist(), *(corner + side).tolist())
        view = view_of(boxes, (300, 300)).through(window)
        found = clip(move_into(view.truth.boxes, window, (1, 1)), (1, 1))
        expected = [
            crop_rules.project(window, box)
            for box in boxes.double().tolist()
            if crop_rules.emits_centre(window, box)
        ]
        # An object whose centre is seen is seen itself: none is dropped by the projection.
        assert None not in expected
        np.testing.assert_allclose(found.numpy(), np.reshape(expected, (-1, 4)), atol=1e-5)


@given(seeds, sizes)
@settings(max_examples=150, deadline=None)
def test_the_canvas_is_that_of_the_original_but_for_whole_pixels(seed, size):
    replay = generator(seed)
    for view in [view_of(torch.zeros(0, 4), size)] * 10:
        state = replay.get_state()
        found = Expand(ExpandSettings(probability=1, up_to=4))(view, replay)
        replay.set_state(state)
        torch.rand((), generator=replay)  # whether to expand at all
        numbers = [float(torch.rand((), generator=replay)) for _ in range(3)]
        expected = crop_rules.expand(size, 4, numbers)
        np.testing.assert_allclose(found.window, expected, atol=2)
