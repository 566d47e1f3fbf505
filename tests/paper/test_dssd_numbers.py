"""Facts of SSD321, SSD513 and DSSD (Fu et al. 2017) and of their authors' code.

The code is chengyangfu/caffe, branch dssd: the scripts examples/ssd/ssd_*_resnet_*.py and the
layers they use.
"""

import math

import numpy as np
import pytest
import torch
from tiny import tiny

from singleshot.boxes.geometry import to_corners
from singleshot.families import build_detector
from singleshot.models.summary import summarise
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth

GRIDS = {321: [40, 20, 10, 5, 3, 1], 513: [64, 32, 16, 8, 4, 2, 1]}


def built(name, *, num_classes, **overrides):
    recipe = load_recipe(name, overrides)
    return build_detector(recipe.model, [str(n) for n in range(num_classes)], pretrained=False)


@pytest.mark.parametrize(
    ("name", "num_classes", "parameters", "gigamacs", "num_boxes"),
    [
        ("ssd321-resnet101", 20, 116_526_320, 36.240, 17_080),
        ("dssd321-resnet101", 20, 172_380_912, 54.194, 17_080),
        ("ssd513-resnet101", 80, 173_145_304, 140.497, 43_688),
        ("dssd513-resnet101", 80, 254_983_896, 208.775, 43_688),
    ],
)
def test_parameters_multiply_adds_and_boxes(name, num_classes, parameters, gigamacs, num_boxes):
    with torch.device("meta"):  # shapes alone: nothing is computed
        summary = summarise(built(name, num_classes=num_classes), name)
    assert summary.parameters == parameters
    assert round(summary.macs / 1e9, 3) == gigamacs
    assert summary.num_boxes == num_boxes
    grids = GRIDS[summary.input[0]]
    assert [level.grid for level in summary.levels] == [(cells, cells) for cells in grids]
    assert {level.priors_per_cell for level in summary.levels} == {8}
    channels = [512, 2048, *[1024] * (len(grids) - 2)]
    if name.startswith("dssd"):
        channels = [512] * (len(grids) - 1) + [1024]
    assert [level.channels for level in summary.levels] == channels


def sizes_of_the_script(side, *, first, following, lowest, num_levels):
    """`min_sizes` and `max_sizes` as the scripts compute them, in pixels."""
    step = math.floor((95 - lowest) / (num_levels - 2))
    ratios = range(lowest, 95 + 1, step)
    low = [side * first / 100.0] + [side * ratio / 100.0 for ratio in ratios]
    high = [side * following / 100.0] + [side * (ratio + step) / 100.0 for ratio in ratios]
    return low, high


def boxes_of_the_layer(side, cells, sizes, step, start):
    """`PriorBoxLayer::Forward_cpu` as (x1, y1, x2, y2), with `start` in pixels (see the recipe)."""
    smallest, largest = map(int, sizes)
    aspect_ratios = [ratio for stated in (1.6, 2.0, 3.0) for ratio in (stated, 1.0 / stated)]
    shapes = [(smallest, smallest), (math.sqrt(smallest * largest),) * 2]
    shapes += [(smallest * math.sqrt(ar), smallest / math.sqrt(ar)) for ar in aspect_ratios]
    boxes = []
    for h in range(cells):
        for w in range(cells):
            center_x, center_y = start + w * step, start + h * step
            for width, height in shapes:
                boxes.append(
                    [
                        (center_x - width / 2) / side,
                        (center_y - height / 2) / side,
                        (center_x + width / 2) / side,
                        (center_y + height / 2) / side,
                    ]
                )
    return np.array(boxes, dtype=np.float32)


@pytest.mark.parametrize(
    ("side", "sizes", "steps", "starts"),
    [
        (
            321,
            {"first": 10, "following": 20, "lowest": 20},
            [8, 16, 32, 64, 64, 321],
            [2.5, 2.5, 10.5, 26.5, 90.5, 160.5],
        ),
        (
            513,
            {"first": 4, "following": 10, "lowest": 10},
            [8, 16, 32, 64, 128, 256, 513],
            [2.5, 2.5, 10.5, 26.5, 58.5, 122.5, 256.5],
        ),
    ],
)
def test_priors_are_those_of_the_script_and_the_layer(side, sizes, steps, starts):
    grids = GRIDS[side]
    low, high = sizes_of_the_script(side, **sizes, num_levels=len(grids))
    assert len(low) == len(grids)
    levels = zip(grids, zip(low, high, strict=True), steps, starts, strict=True)
    expected = np.concatenate([boxes_of_the_layer(side, *level) for level in levels])
    name = f"ssd{side}-resnet101"
    detector = built(name, num_classes=1, **tiny(name))
    found = to_corners(detector.priors_cxcywh_unit).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "above"),
    [
        (321, [(2, 2), (2, 2), (3, 1), (3, 1)]),
        (513, [(2, 2), (2, 2), (2, 2), (2, 2), (2, 2)]),
    ],
)
def test_first_centres_are_the_middle_of_what_a_first_cell_sees(side, above):
    # (kernel, stride, padding): conv1 and pool1; res3 and res4 shrink without moving the middle.
    below = [(7, 2, 3), (3, 2, 0), (1, 2, 0)]
    seen, stride, middles = 0.5, 1, []
    levels = [below, [(1, 2, 0)], *([(kernel, stride, 0)] for kernel, stride in above)]
    for layers in levels:
        for kernel, layer_stride, padding in layers:
            seen += ((kernel - 1) / 2 - padding) * stride
            stride *= layer_stride
        middles.append(seen)
    centres = load_recipe(f"ssd{side}-resnet101").model.priors.first_centres
    assert list(centres[:-1]) == middles[:-1]
    assert centres[-1] == side / 2


def test_prediction_modules_and_predictors_of_ssd513():
    settings = load_recipe("ssd513-resnet101").model.heads
    assert settings.squeeze == (128, 512, 256, 256, 256, 256, 256)
    assert settings.kernels == (5, 5, 3, 3, 3, 3, 3)


@pytest.mark.parametrize(
    ("name", "steps", "batch_size", "drops"),
    [
        ("ssd321-resnet101", 80_000, 32, [40_000, 60_000]),
        ("dssd321-resnet101", 30_000, 32, [20_000]),
        ("dssd321-resnet101-stage2", 40_000, 32, [20_000]),
        ("ssd513-resnet101", 250_000, 40, [130_000, 210_000]),
        ("dssd513-resnet101", 150_000, 32, [80_000, 130_000]),
    ],
)
def test_schedules(name, steps, batch_size, drops):
    training = load_recipe(name).training
    assert (training.steps, training.batch_size) == (steps, batch_size)
    assert [round(part * steps) for part in training.schedule.milestones] == drops


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ssd321-resnet101", [480, 360]),
        ("dssd321-resnet101", [480, 360]),
        ("dssd513-resnet101", [640, 520]),
        ("dssd513-resnet101", [480, 360]),
    ],
)
def test_other_inputs_have_centres_inside_the_image(name, size):
    detector = built(name, num_classes=1, **tiny(name), **{"model.input": size})
    centres = detector.priors_cxcywh_unit[:, :2]
    assert ((centres > 0) & (centres < 1)).all()
    offsets, logits = detector(torch.zeros(1, 3, *size))
    assert offsets.shape == (1, len(centres), 4)
    assert logits.shape == (1, len(centres), 2)


@pytest.mark.parametrize("name", ["ssd321-resnet101", "dssd321-resnet101"])
def test_losses_reach_every_parameter(name):
    torch.manual_seed(0)
    detector = built(name, num_classes=1, **tiny(name))
    truth = Truth.of(torch.tensor([[30.0, 40, 200, 250]]), torch.tensor([0]))
    image = torch.randint(256, (1, 3, 321, 321), dtype=torch.uint8)
    detector.losses(Batch(image, (truth,), ("a",))).total.backward()
    assert all(parameter.grad is not None for parameter in detector.parameters())
