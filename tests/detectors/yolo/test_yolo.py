"""YOLO, version 1 to 3, on networks small enough to compute by hand."""

# Tests singleshot/detectors/yolo/letterbox.py
# Tests singleshot/detectors/yolo/v1.py
# Tests singleshot/detectors/yolo/v2.py
# Tests singleshot/detectors/yolo/v3.py
# Tests singleshot/detectors/yolo/yolo9000.py

import pytest
import torch

from singleshot.detectors.yolo.letterbox import letterbox_size
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Detections, Truth

NAMES = ("cat", "dog", "bird")
DARKNET19 = {"kind": "darknet", "name": "darknet19", "width": 0.0625}
DARKNET53 = {"kind": "darknet", "name": "darknet53", "width": 0.0625}
SMALL = {
    "yolo-v1": {
        "model.backbone": {"kind": "darknet", "name": "extraction", "width": 0.03},
        "model.fully_connected": [32],
    },
    "yolo-v2": {"model.backbone": DARKNET19},
    "yolo9000": {"model.backbone": DARKNET19},
    "yolo-v3": {"model.backbone": DARKNET53},
}
RECIPES = list(SMALL)


def built(recipe, **more):
    overrides = {"model.input": [64, 96], **SMALL[recipe]}
    overrides |= {f"model.{key.replace('__', '.')}": value for key, value in more.items()}
    torch.manual_seed(0)
    settings = load_recipe(recipe, overrides).model
    return build_detector(settings, NAMES, pretrained=False)


def truth_of(*boxes, labels=None):
    return Truth.of(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor([0] * len(boxes) if labels is None else labels, dtype=torch.int64),
    )


def batch_of(*truths, random):
    images = torch.randint(256, (len(truths), 3, 64, 96), generator=random, dtype=torch.uint8)
    return Batch(images, truths, ("a",) * len(truths))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_batch_costs_the_mean_of_its_images(recipe, random):
    detector = built(recipe)
    batch = batch_of(truth_of([8, 8, 50, 40]), truth_of(), random=random)
    together = detector.losses(batch)
    each = [detector.losses(one) for one in batch.parts(2)]
    torch.testing.assert_close(together.total, (each[0].total + each[1].total) / 2)
    assert together.num_matches == 1
    assert each[1].terms["localization"] == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_crowds_and_slivers_are_not_learned(recipe, random):
    detector = built(recipe)
    truth = truth_of([8, 8, 50, 40], [10, 10, 60, 60], [20, 5, 20.05, 60])
    truth.crowd[1] = True
    alone = batch_of(truth_of([8, 8, 50, 40]), random=random)
    among = Batch(alone.images, (truth,), alone.names)
    torch.testing.assert_close(detector.losses(among).total, detector.losses(alone).total)


@pytest.mark.parametrize("recipe", RECIPES)
def test_all_parts_of_darknets_networks_learn(recipe, random):
    detector = built(recipe).train()
    # An object for each level of version 3.
    truth = truth_of([8, 8, 20, 24], [30, 4, 70, 60], [0, 0, 96, 64], [60, 40, 95, 62])
    truth = Truth.of(truth.boxes, torch.tensor([0, 1, 2, 0]))
    detector.losses(batch_of(truth, truth, random=random)).total.backward()
    still = [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("recipe", ["yolo-v2", "yolo9000"])
def test_boxes_are_drawn_to_their_anchors_in_the_beginning_alone(recipe, random):
    detector = built(recipe, settle_until=0.1)
    batch = batch_of(truth_of(), random=random)
    torch.nn.init.normal_(detector.head.weight)
    costs = []
    for part in (0.0, 0.099, 0.1, 1.0):
        detector.enter(part)
        costs.append(float(detector.losses(batch).terms["localization"].detach()))
    assert costs[0] == costs[1] > 0
    assert costs[2:] == [0, 0]


def test_boxes_of_version_2_begin_at_their_anchors():
    detector = built("yolo-v2").eval()
    for parameter in detector.head.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.inference_mode():
        outputs = detector(torch.zeros(1, 3, 64, 96))
    centres = detector.grid.decode(outputs)[0]
    middle = (centres[:, :2] + centres[:, 2:]) / 2
    assert middle[0].tolist() == [16, 16]
    torch.testing.assert_close(
        (centres[:, 2:] - centres[:, :2])[::6], torch.tensor(detector.settings.anchors)
    )


def test_an_input_whose_maps_do_not_fit_is_refused():
    with pytest.raises(ModelError, match=r"model.input = \[64, 80\].*sides that divide by 32"):
        built("yolo-v2", input=[64, 80])


def test_the_passthrough_wants_two_maps():
    backbone = {"kind": "darknet", "name": "extraction", "width": 0.0625}
    with pytest.raises(ModelError, match="needs a backbone of two feature maps"):
        built("yolo-v2", backbone=backbone)


def test_anchors_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ModelError, match=r"4 cannot be divided evenly among 3 levels; give 9"):
        built("yolo-v3", anchors=[[8, 8]] * 4)
    with pytest.raises(ModelError, match=r"model.masks are for 1 levels, the backbone has 3"):
        built("yolo-v3", masks=[[0, 1]])


def test_masks_choose_the_anchors_of_each_level():
    detector = built("yolo-v3", masks=[[8], [0, 1], [2]])
    assert detector.num_boxes == 8 * 12 + 2 * 4 * 6 + 2 * 3
    assert [head.out_channels for head in detector.heads] == [8, 16, 8]
    assert detector.grid.anchors[0].tolist() == [373, 326]


def test_a_cell_of_version_1_learns_its_first_object_alone(random):
    detector = built("yolo-v1")
    first, second = [20, 20, 40, 40], [21, 21, 39, 39]
    alone = batch_of(truth_of(first, labels=[1]), random=random)
    both = Batch(alone.images, (truth_of(first, second, labels=[1, 2]),), alone.names)
    assert detector.losses(both).num_matches == 1
    torch.testing.assert_close(detector.losses(both).total, detector.losses(alone).total)


def test_version_1_orders_outputs_by_kind_then_by_cell():
    detector = built("yolo-v1", cells=[2, 3], results__score_threshold=0.2).eval()
    torch.nn.init.zeros_(detector.last.weight)
    numbers = torch.zeros(detector.last.out_features)
    # Six cells of three classes, then two confidences and two boxes a cell.
    numbers[4 * 3 + 2] = 0.5
    numbers[6 * 3 + 4 * 2 + 1] = 0.8
    first = 6 * 3 + 6 * 2 + (4 * 2 + 1) * 4
    numbers[first : first + 4] = torch.tensor([0.25, 0.5, 0.5**0.5, 0.25**0.5])
    detector.last.bias.data = numbers
    (found,) = detector.detect([torch.zeros(3, 64, 96, dtype=torch.uint8)])
    assert found.labels.tolist() == [2]
    assert float(found.scores) == pytest.approx(0.4)
    # Cell (1, 1) of three and two: the middle is at (1.25 / 3, 1.5 / 2) of 96 × 64 pixels.
    torch.testing.assert_close(found.boxes, torch.tensor([[16.0, 40, 64, 56]]))


def test_version_1_may_be_locally_connected(random):
    detector = built("yolo-v1", local=8, fully_connected=[])
    # 24 convolutions' last map has 1 × 2 cells; each has its own weights for 9 × 32 numbers.
    (local,) = detector.local
    assert local.weight.shape == (2, 8, 9 * 32)
    assert detector.last.in_features == 2 * 8
    detector.losses(batch_of(truth_of([8, 8, 50, 40]), random=random)).total.backward()
    assert local.weight.grad.any()


def test_a_locally_connected_layer_is_a_convolution_of_its_own_at_each_place(random):
    detector = built("yolo-v1", local=4)
    (local,) = detector.local
    features = torch.randn(2, 32, 1, 2, generator=random)
    for place in range(2):
        weight = local.weight[place].reshape(4, 32, 3, 3)
        same = torch.nn.functional.conv2d(features, weight, padding=1)
        same = torch.nn.functional.leaky_relu(same, 0.1)
        torch.testing.assert_close(local(features)[..., place], same[..., place])


PETS = ["thing -1", "pet 0", "bird 0", "cat 1", "dog 1"]


def test_a_box_of_yolo9000_has_a_score_for_every_class(random):
    """As `get_region_detections` with a map: objectness times the products down the tree."""
    detector = built("yolo9000", tree=PETS, results__score_threshold=0.2).eval()
    outputs = torch.randn(4, 10, generator=random)
    found = detector.select_boxes(torch.arange(16.0).reshape(4, 4), outputs)
    expected = []
    for box, numbers in enumerate(outputs[:, 5:]):
        objectness = outputs[box, 4].sigmoid()
        pet, bird = numbers[1:3].softmax(dim=0)
        cat, dog = pet * numbers[3:].softmax(dim=0)
        of_classes = {"cat": cat, "dog": dog, "bird": bird}
        for label, name in enumerate(detector.class_names):
            if (score := float(objectness * of_classes[name])) > 0.2:
                expected.append((box, label, pytest.approx(score)))
    boxes = (found.boxes[:, 0] / 4).int().tolist()
    assert list(zip(boxes, found.labels.tolist(), found.scores.tolist(), strict=True)) == expected
    assert expected


def test_after_a_walk_a_box_of_yolo9000_has_one_class_and_the_score_of_its_objectness():
    detector = built("yolo9000", tree=PETS, decide="walk", results__score_threshold=0.0).eval()
    assert detector.num_columns == 5 + 5
    boxes = torch.tensor([[0.0, 0, 8, 8], [4, 4, 8, 8], [2, 2, 9, 9]])
    outputs = torch.zeros(3, 10)
    outputs[:, 4] = torch.tensor([2.0, 1.0, 3.0])
    outputs[0, 6], outputs[0, 9] = 5.0, 5.0  # a pet, and a dog
    outputs[1, 6] = 5.0  # a pet, which is no class
    outputs[2, 7] = 5.0  # a bird
    found = detector.select_boxes(boxes, outputs)
    assert found.labels.tolist() == [1, 2]
    torch.testing.assert_close(found.scores, torch.tensor([2.0, 3.0]).sigmoid())
    torch.testing.assert_close(found.boxes, boxes[[0, 2]])


@pytest.mark.parametrize(
    ("size", "inside"),
    [
        ((480, 640), (312, 416)),
        ((640, 480), (416, 312)),
        ((333, 500), (277, 416)),  # 277.056
        ((416, 416), (416, 416)),
        ((1, 5000), (1, 416)),
    ],
)
def test_a_letterbox_keeps_the_shape_and_rounds_down(size, inside):
    assert letterbox_size(size, (416, 416)) == inside


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("size", [(50, 120), (120, 50), (64, 96)])
def test_boxes_come_back_out_of_the_letterbox(recipe, size, monkeypatch):
    """A detector that marks what is not grey finds the whole image, whatever its shape."""
    detector = built(recipe, aspect="letterbox", results__score_threshold=0.0).eval()

    def mark(images):
        found = []
        for image in images:
            rows, columns = ((image != 127.5).any(dim=0)).nonzero(as_tuple=True)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            found.append(likely_found(torch.tensor([box], dtype=torch.float32)))
        return found

    monkeypatch.setattr(detector, "score_boxes", mark)
    height, width = size
    (found,) = detector.detect([torch.zeros(3, *size, dtype=torch.uint8)])
    expected = torch.tensor([[0.0, 0, width, height]])
    torch.testing.assert_close(found.boxes, expected, atol=1.1, rtol=0)


def likely_found(boxes):
    return Detections(boxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.int64))


def test_a_letterbox_of_the_inputs_shape_changes_nothing(random):
    image = torch.randint(256, (3, 128, 192), generator=random, dtype=torch.uint8)
    found = [
        built("yolo-v2", aspect=aspect, results__score_threshold=0.0).eval().detect([image])[0]
        for aspect in ("stretch", "letterbox")
    ]
    torch.testing.assert_close(found[0].boxes, found[1].boxes)
    torch.testing.assert_close(found[0].scores, found[1].scores)


def test_no_images_are_no_findings():
    assert built("yolo-v3", aspect="letterbox").eval().detect([]) == []
