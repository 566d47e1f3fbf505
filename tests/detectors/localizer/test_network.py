"""One object an image: its class and its box, from either place the box head is attached to."""

import math

import pytest
import torch
from small import TINY

from singleshot.detectors.localizer.network import largest_object
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Objects, Truth

ATTACHMENTS = ["convolutions", "fully_connected"]
NAMES = ("cat", "dog", "bird")


def built(attach, **more):
    torch.manual_seed(0)
    overrides = {
        "model.backbone": TINY,
        "model.pixels.mean": [128, 128, 128],
        "model.pixels.std": [64, 64, 64],
        "model.input": [64, 96],
        "model.fully_connected": [32, 16],
        "model.attach": attach,
        **more,
    }
    return build_detector(load_recipe("localizer", overrides).model, NAMES, pretrained=False)


def batch_of(*truths):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (len(truths), 3, 64, 96), generator=generator, dtype=torch.uint8)
    return Batch(images, truths, ("a",) * len(truths))


def truth_of(*boxes, labels=None):
    labels = [0] * len(boxes) if labels is None else labels
    return Truth.of(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
    )


@pytest.mark.parametrize("attach", ATTACHMENTS)
def test_the_box_comes_from_where_its_head_is_attached(attach):
    detector = built(attach)
    losses = detector.losses(batch_of(truth_of([10, 10, 50, 50])))
    losses.terms["localization"].backward()
    reached = {
        name.partition(".")[0]
        for name, parameter in detector.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }
    of_its_own = "box_layers" if attach == "convolutions" else "layers"
    assert reached == {"backbone", of_its_own, "box"}


@pytest.mark.parametrize("attach", ATTACHMENTS)
def test_both_attachments_learn_classes_and_boxes_of_one_batch(attach):
    detector = built(attach).train()
    truths = [
        truth_of([8, 8, 40, 40], labels=[0]),
        truth_of([50, 10, 90, 60], labels=[1]),
        truth_of([20, 30, 60, 64], labels=[2]),
    ]
    batch = batch_of(*truths)
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.03, momentum=0.9)
    for _ in range(150):
        optimizer.zero_grad()
        detector.losses(batch).total.backward()
        optimizer.step()
    found = detector.eval().detect(list(batch.images))
    for one, truth in zip(found, truths, strict=True):
        assert one.labels.tolist() == truth.labels.tolist()
        assert float(one.scores) > 0.9
        torch.testing.assert_close(one.boxes, truth.boxes, atol=2, rtol=0)


def test_attached_to_the_convolutions_it_has_layers_of_its_own():
    numbers = {
        attach: sum(parameter.numel() for parameter in built(attach).parameters())
        for attach in ATTACHMENTS
    }
    # 4 × 6 cells of 12 channels to 32 and on to 16 neurons.
    layers = 4 * 6 * 12 * 32 + 32 + 32 * 16 + 16
    assert numbers["convolutions"] - numbers["fully_connected"] == layers


def test_losses_are_the_cross_entropy_and_the_squared_distance():
    detector = built("fully_connected", **{"model.localization_weight": 3.0})
    for parameter in [*detector.classes.parameters(), *detector.box.parameters()]:
        torch.nn.init.zeros_(parameter)
    detector.box.bias.data = torch.tensor([0.25, 0.25, 0.75, 0.5])
    # In fractions of 96 × 64 pixels: (0.25, 0.25, 0.75, 0.75).
    with torch.no_grad():
        losses = detector.losses(batch_of(truth_of([24, 16, 72, 48])))
    assert float(losses.terms["localization"]) == pytest.approx(3 * 0.25**2 / 4)
    assert float(losses.terms["classification"]) == pytest.approx(math.log(3))
    assert losses.num_matches == 1


def test_images_without_an_object_count_nothing_in_the_mean():
    detector = built("fully_connected")
    alone = detector.losses(batch_of(truth_of([24, 16, 72, 48])))
    with_empty = detector.losses(batch_of(truth_of([24, 16, 72, 48]), truth_of()))
    torch.testing.assert_close(with_empty.total, alone.total / 2)
    empty = detector.losses(batch_of(truth_of(), truth_of()))
    empty.total.backward()
    assert empty.total == empty.num_matches == 0


def test_the_largest_object_is_learned():
    objects = Objects(
        torch.tensor([[0.0, 0, 4, 4], [0, 0, 3, 9], [1, 1, 10, 4]]), torch.tensor([5, 6, 7])
    )
    # The last two have 27 square pixels.
    assert largest_object(objects).labels.tolist() == [6]


def test_a_crowd_is_not_learned_however_large():
    crowd = truth_of([0, 0, 96, 64], [10, 10, 20, 20], labels=[1, 2])
    crowd.crowd[0] = True
    detector = built("fully_connected")
    alone = detector.losses(batch_of(truth_of([10, 10, 20, 20], labels=[2])))
    torch.testing.assert_close(detector.losses(batch_of(crowd)).total, alone.total)


@pytest.mark.parametrize("attach", ATTACHMENTS)
def test_it_has_one_box(attach):
    detector = built(attach).eval()
    assert detector.num_boxes == 1
    [found] = detector.detect([torch.zeros(3, 50, 70, dtype=torch.uint8)])
    assert len(found) == 1
