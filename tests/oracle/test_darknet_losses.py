"""Gradients of our losses against darknet's `delta`, number by number, on random outputs."""

# Tests singleshot/detectors/yolo/losses.py

import numpy as np
import pytest
import torch
from oracle.darknet_losses import detection_delta, region_delta, yolo_delta

from singleshot.detectors.yolo.anchors import AnchorGrid, flatten_predictions
from singleshot.detectors.yolo.losses import LossWeights, logistic_losses, region_losses
from singleshot.detectors.yolo.v1 import CellOutputs, cell_losses
from singleshot.detectors.yolo.word_tree import WordTree
from singleshot.recipes.load import load_recipe
from singleshot.structures import Objects

NAMES = ("cat", "dog", "bird")
SIZE = (96, 160)  # height, width
ANCHORS = [(14.0, 10.0), (20.0, 44.0), (60.0, 33.0), (90.0, 80.0)]
IMAGES = 3


def truths_of(random, number):
    """(x, y, w, h, class), inside the image; the last two are in one cell, of one shape."""
    if not number:
        return []
    sizes = random.uniform(0.05, 0.6, (number, 2))
    middles = sizes / 2 + random.uniform(0, 1, (number, 2)) * (1 - sizes)
    labels = random.integers(0, len(NAMES), (number, 1))
    rows = np.concatenate([middles, sizes, labels], axis=1).tolist()
    x, y, w, h, label = rows[-1]
    return [*rows, [x + 1e-4, y, w * 1.01, h, (label + 1) % len(NAMES)]]


def objects_from(truths, size):
    height, width = size
    rows = torch.tensor(truths, dtype=torch.float64).reshape(-1, 5)
    middles = rows[:, :2] * torch.tensor([width, height])
    halves = rows[:, 2:4] * torch.tensor([width, height]) / 2
    boxes = torch.cat([middles - halves, middles + halves], dim=1)
    return Objects(boxes.float(), rows[:, 4].long())


def moves(losses, outputs):
    """How each output should move: darknet's delta is a sum over boxes, of one image."""
    gradients = torch.autograd.grad(losses.total * IMAGES, outputs)
    return [-gradient.numpy() for gradient in gradients]


def region_settings(**more):
    overrides = {"model.input": list(SIZE), **{f"model.{key}": v for key, v in more.items()}}
    return load_recipe("yolo-v2", overrides).model


def numbers_of(settings):
    return {
        "size": settings.input,
        "weights": LossWeights.from_settings(settings.weights),
        "ignore_iou": settings.ignore_iou,
        "objectness_target": settings.objectness,
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("seen", [0, 20_000])
@pytest.mark.parametrize("objectness", ["iou", "one"])
def test_region_losses_move_every_number_as_darknet_does(seed, seen, objectness):
    random = np.random.default_rng(seed)
    rows, columns = 3, 5
    shape = (IMAGES, len(ANCHORS), 5 + len(NAMES), rows, columns)
    x = random.normal(0, 1, shape)
    truths = [truths_of(random, number) for number in (0, 1, 6)]
    options = {
        "noobject_scale": 1,
        "object_scale": 5,
        "coord_scale": 1,
        "class_scale": 1,
        "thresh": 0.3,
        "rescore": objectness == "iou",
        "seen": seen,
    }
    cells = [(w / 32, h / 32) for w, h in ANCHORS]
    expected = [region_delta(x[b], truths[b], cells, options) for b in range(IMAGES)]

    grid = AnchorGrid([(rows, columns)], ANCHORS, [(0, 1, 2, 3)], SIZE)
    outputs = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    outputs_of_cells = flatten_predictions([outputs.flatten(1, 2)], 5 + len(NAMES))
    losses = region_losses(
        outputs_of_cells,
        grid,
        [objects_from(of_image, SIZE) for of_image in truths],
        lambda logits, labels: torch.nn.functional.cross_entropy(logits, labels, reduction="none"),
        **numbers_of(region_settings(ignore_iou=0.3, objectness=objectness)),
        settling=seen < 12800,
    )
    (found,) = moves(losses, [outputs])
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-5)
    assert np.abs(found[2]).max() > 0.5


# thing → (cat, dog), and a bird that is none; darknet's classes are all nodes.
TREE = ("thing -1", "bird -1", "cat 0", "dog 0", "tabby 2", "siamese 2")
PARENTS = [-1, -1, 0, 0, 2, 2]


@pytest.mark.parametrize("seed", range(3))
def test_classes_in_a_tree_move_as_darknets(seed):
    random = np.random.default_rng(seed)
    rows, columns = 3, 5
    x = random.normal(0, 1, (IMAGES, len(ANCHORS), 5 + len(TREE), rows, columns))
    nodes = {"cat": 2, "dog": 3, "bird": 1}
    truths = [truths_of(random, number)[:-1] for number in (0, 1, 3)]
    options = {
        "noobject_scale": 1,
        "object_scale": 5,
        "coord_scale": 1,
        "class_scale": 2,
        "thresh": 0.6,
        "rescore": 1,
        "seen": 12_800,
        "tree": PARENTS,
    }
    cells = [(w / 32, h / 32) for w, h in ANCHORS]
    of_nodes = [[[*t[:4], nodes[NAMES[int(t[4])]]] for t in image] for image in truths]
    expected = [region_delta(x[b], of_nodes[b], cells, options) for b in range(IMAGES)]

    grid = AnchorGrid([(rows, columns)], ANCHORS, [(0, 1, 2, 3)], SIZE)
    outputs = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    losses = region_losses(
        flatten_predictions([outputs.flatten(1, 2)], 5 + len(TREE)),
        grid,
        [objects_from(of_image, SIZE) for of_image in truths],
        WordTree(TREE, NAMES).class_costs,
        **numbers_of(region_settings(**{"weights.classes": 2.0})),
        settling=False,
    )
    (found,) = moves(losses, [outputs])
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("masks", [[(0, 1), (2, 3)], [(1, 2), (3,)], [(0, 2), (1, 2, 3)]])
def test_logistic_losses_move_every_number_as_darknet_does(seed, masks):
    random = np.random.default_rng(seed)
    grids = [(6, 10), (3, 5)]
    columns = 5 + len(NAMES)
    xs = [
        random.normal(0, 1, (IMAGES, len(mask), columns, *cells))
        for mask, cells in zip(masks, grids, strict=True)
    ]
    truths = [truths_of(random, number) for number in (0, 1, 7)]
    outputs = [torch.tensor(x, dtype=torch.float32, requires_grad=True) for x in xs]
    losses = logistic_losses(
        flatten_predictions([output.flatten(1, 2) for output in outputs], columns),
        AnchorGrid(grids, ANCHORS, masks, SIZE),
        [objects_from(of_image, SIZE) for of_image in truths],
        SIZE,
        ignore_iou=0.4,
    )
    found = moves(losses, outputs)
    for level, (x, mask) in enumerate(zip(xs, masks, strict=True)):
        expected = [yolo_delta(x[b], truths[b], ANCHORS, mask, SIZE, 0.4) for b in range(IMAGES)]
        np.testing.assert_allclose(found[level], np.stack(expected), atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [0.05, 0.5])
def test_cells_move_every_number_as_darknet_does(seed, spread):
    """Boxes of no size overlap nothing, and the nearest is responsible."""
    random = np.random.default_rng(seed)
    side, number, classes = 4, 3, len(NAMES)
    output = random.normal(0.2, spread, (IMAGES, side * side * (classes + number * 5)))
    truths = [truths_of(random, count) for count in (0, 1, 8)]
    options = {"noobject_scale": 0.5, "object_scale": 1, "coord_scale": 5, "class_scale": 1}
    expected = [
        detection_delta(output[b], truths[b], side, number, classes, options) for b in range(IMAGES)
    ]
    settings = load_recipe(
        "yolo-v1",
        {"model.input": list(SIZE), "model.cells": [side, side], "model.boxes_per_cell": number},
    ).model
    outputs = torch.tensor(output, dtype=torch.float32, requires_grad=True)
    sizes = [side * side * count for count in (classes, number, number * 4)]
    probabilities, confidence, where = outputs.split(sizes, dim=1)
    outputs_of_cells = CellOutputs(
        probabilities.reshape(IMAGES, -1, classes),
        confidence.reshape(IMAGES, -1, number),
        where.reshape(IMAGES, -1, number, 4),
    )
    losses = cell_losses(
        outputs_of_cells,
        [objects_from(of, SIZE) for of in truths],
        cells=settings.cells,
        size=settings.input,
        weights=LossWeights.from_settings(settings.weights),
    )
    (found,) = moves(losses, [outputs])
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-5)


def test_the_weights_of_the_loss_are_the_recipes():
    """darknet's object_scale = 5 and noobject_scale = 1 of version 2; coord 5, noobj .5 of 1."""
    second = load_recipe("yolo-v2").model.weights
    assert (second.objectness, second.no_object, second.coordinates, second.classes) == (5, 1, 1, 1)
    first = load_recipe("yolo-v1").model.weights
    assert (first.objectness, first.no_object, first.coordinates, first.classes) == (1, 0.5, 5, 1)
