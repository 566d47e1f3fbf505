import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from singleshot.detectors.common.regions import select_scored
from singleshot.detectors.rcnn.regions import pad_to_multiple, size_keeping_aspect
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

SMALL = {
    "model.input": [64, 96],
    "model.backbone.kind": "timm",
    "model.backbone.name": "tf_efficientnet_lite0",
    "model.backbone.strides": [16],
    "model.fully_connected": [8],
    "model.pooled": 2,
    "model.results.score_threshold": 0.0,
}


def test_the_shortest_side_is_that_of_the_input():
    assert size_keeping_aspect((375, 500), (600, 1000)) == (600, 800)
    assert size_keeping_aspect((500, 375), (600, 1000)) == (800, 600)


def test_the_longest_side_is_not_above_the_inputs():
    assert size_keeping_aspect((200, 800), (600, 1000)) == (250, 1000)


def test_sizes_are_torchvisions(random):
    transform = GeneralizedRCNNTransform(80, 133, [0, 0, 0], [1, 1, 1]).eval()
    for height, width in torch.randint(20, 300, (50, 2), generator=random).tolist():
        images, _ = transform([torch.zeros(3, height, width)])
        assert images.image_sizes == [size_keeping_aspect((height, width), (80, 133))]


def test_images_are_padded_below_and_to_the_right():
    padded = pad_to_multiple(torch.ones(1, 3, 600, 1000), 16)
    assert padded.shape == (1, 3, 608, 1008)
    assert padded.sum() == 3 * 600 * 1000
    assert (padded[..., :600, :1000] == 1).all()


def test_every_class_of_a_region_above_the_threshold_is_a_finding():
    scores = torch.tensor([[0.5, 0.04], [0.05, 0.3]])
    boxes = torch.arange(16.0).reshape(2, 2, 4)
    found = select_scored(scores, boxes, (100, 100), 0.05)
    # 0.05 is not above 0.05.
    assert found.labels.tolist() == [0, 1]
    assert torch.equal(found.boxes, torch.stack([boxes[0, 0], boxes[1, 1]]))


def test_boxes_are_clipped_and_what_is_left_of_none_is_dropped():
    boxes = torch.tensor([[[-5.0, 2, 20, 8]], [[30, 2, 40, 8]]])
    found = select_scored(torch.ones(2, 1), boxes, (10, 15), 0.0)
    assert found.boxes.tolist() == [[0, 2, 15, 8]]


def test_an_image_of_its_own_aspect_is_found_the_same_in_either_way(random):
    torch.manual_seed(0)
    image = torch.randint(256, (3, 32, 48), generator=random, dtype=torch.uint8)
    stretched, kept = (
        build_detector(
            load_recipe("faster-rcnn-vgg16", {**SMALL, "model.aspect": aspect}).model,
            ["a", "b"],
            pretrained=False,
        )
        for aspect in ("stretch", "keep")
    )
    kept.load_state_dict(stretched.state_dict())
    (expected,), (found,) = stretched.detect([image]), kept.detect([image])
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.scores, expected.scores)


def test_another_kind_of_backbone_starts_its_table_anew():
    backbone = load_recipe("rfcn-resnet101", SMALL_BACKBONE).model.backbone
    assert backbone.nodes == ()
    assert backbone.arguments == {}
    assert backbone.strides == (16,)


# In any order: the name comes before the kind here.
SMALL_BACKBONE = [
    "model.backbone.name=tf_efficientnet_lite0",
    "model.backbone.strides=[16]",
    "model.backbone.kind=timm",
]
