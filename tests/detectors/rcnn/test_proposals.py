import math

import pytest
import torch

from singleshot.detectors.rcnn.proposals import ProposalHead, ProposalNetwork, caffe_anchors
from singleshot.detectors.rcnn.settings import AnchorSettings, ProposalSettings

# What py-faster-rcnn's generate_anchors() returns: the last pixels are the boxes' own.
CAFFE = [
    [-84, -40, 99, 55],
    [-176, -88, 191, 103],
    [-360, -184, 375, 199],
    [-56, -56, 71, 71],
    [-120, -120, 135, 135],
    [-248, -248, 263, 263],
    [-36, -80, 51, 95],
    [-80, -168, 95, 183],
    [-168, -344, 183, 359],
]
SMALL = ProposalSettings(anchors=AnchorSettings(scales=(1, 2, 3)), before=40, after=8, min_side=6)


def proposed_on(network, rows, columns, size):
    features = torch.randn(2, 4, rows, columns)
    stride = 16
    images = torch.zeros(2, 3, rows * stride, columns * stride)
    with torch.no_grad():
        return network.eval()(images, [features], size)


@pytest.fixture
def network():
    """A network whose outputs differ from anchor to anchor."""
    torch.manual_seed(0)
    network = ProposalNetwork.from_settings(SMALL, 4, [16])
    head = network.network.head
    for layer, spread in ((head.convolution, 0.3), (head.objectness, 1.0), (head.offsets, 0.1)):
        torch.nn.init.normal_(layer.weight, std=spread)
    return network


def test_anchors_are_those_of_the_authors_code():
    anchors = caffe_anchors(16, (8, 16, 32), (0.5, 1, 2))
    assert torch.equal(anchors - torch.tensor([0, 0, 1, 1]), torch.tensor(CAFFE).float())


def test_anchors_go_row_by_row_and_at_each_place_by_the_table():
    network = ProposalNetwork.from_settings(ProposalSettings(), 4, [16])
    assert network.num_anchors_per_cell == 9
    proposed = proposed_on(network, 3, 4, (48, 64))
    at_row_1_column_2 = proposed.anchors.view(3, 4, 9, 4)[1, 2]
    moved = torch.tensor(CAFFE) + torch.tensor([32, 16, 33, 17])
    assert torch.equal(at_row_1_column_2, moved.float())


def test_numbers_alone_make_the_network_of_the_papers_recipe():
    torch.manual_seed(0)
    network = ProposalNetwork(4, [16])
    torch.manual_seed(0)
    of_recipe = ProposalNetwork.from_settings(ProposalSettings(), 4, [16])
    assert (network.sampling, network.selection) == (of_recipe.sampling, of_recipe.selection)
    for own, others in zip(network.parameters(), of_recipe.parameters(), strict=True):
        assert torch.equal(own, others)


def test_torchvisions_anchors_are_around_corners():
    settings = ProposalSettings(anchors=AnchorSettings(scales=(8,), rule="torchvision"))
    network = ProposalNetwork.from_settings(settings, 4, [4])
    with torch.no_grad():
        images, features = torch.zeros(1, 3, 8, 8), [torch.zeros(1, 4, 2, 2)]
        anchors = network.eval()(images, features, (8, 8)).anchors
    # 32 pixels: √2 times as wide as that and as high, for a ratio of one half.
    assert anchors[0].tolist() == [-23, -11, 23, 11]


def test_outputs_go_position_by_position_and_anchor_by_anchor():
    head = ProposalHead(1, 1, num_anchors=2)
    with torch.no_grad():
        head.convolution.weight.zero_()[0, 0, 1, 1] = 1
        head.objectness.weight[:, 0, 0, 0] = torch.tensor([1.0, 10.0])
        head.offsets.weight[:, 0, 0, 0] = torch.arange(8.0)
        objectness, offsets = head(torch.tensor([[[[1.0, 2.0]]]]))
    assert objectness.tolist() == [[1, 10, 2, 20]]
    assert offsets.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [0, 2, 4, 6], [8, 10, 12, 14]]]


def literal_regions(anchors, objectness, offsets, size, settings):
    """proposal_layer.py, box by box, half-open; only the best are checked for their size."""
    height, width = size
    boxes = []
    for (x1, y1, x2, y2), score, (dx, dy, dw, dh) in zip(anchors, objectness, offsets, strict=True):
        wide, high = x2 - x1, y2 - y1
        x, y = x1 + wide / 2 + dx * wide, y1 + high / 2 + dy * high
        limit = math.log(1000 / 16)
        wide, high = wide * math.exp(min(dw, limit)), high * math.exp(min(dh, limit))
        box = (
            min(max(x - wide / 2, 0), width),
            min(max(y - high / 2, 0), height),
            min(max(x + wide / 2, 0), width),
            min(max(y + high / 2, 0), height),
        )
        boxes.append((score, box))
    boxes = sorted(boxes, reverse=True)[: settings.before]
    kept = []
    for _, box in boxes:
        large = min(box[2] - box[0], box[3] - box[1]) >= settings.min_side
        if large and all(iou(box, other) <= settings.iou_threshold for other in kept):
            kept.append(box)
    return kept[: settings.after]


def iou(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    common = max(wide, 0) * max(high, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (areas - common)


def test_proposals_are_those_of_the_literal_rules(network):
    size = (75, 120)  # of an image that was padded to 80 × 128
    proposed = proposed_on(network, 5, 8, size)
    for objectness, offsets, regions in zip(
        proposed.objectness, proposed.offsets, proposed.regions, strict=True
    ):
        expected = literal_regions(
            proposed.anchors.tolist(), objectness.tolist(), offsets.tolist(), size, SMALL
        )
        assert len(regions) == 8
        torch.testing.assert_close(regions, torch.tensor(expected), atol=1e-3, rtol=0)


def test_tenfold_offsets_in_tenths_propose_the_same(network):
    in_tenths = SMALL.model_copy(update={"offset_scales": (0.1, 0.2)})
    tenths = ProposalNetwork.from_settings(in_tenths, 4, [16])
    tenths.load_state_dict(network.state_dict())
    outputs = tenths.network.head.offsets
    with torch.no_grad():
        # Of each anchor x, y, and the logarithms of width and height.
        outputs.weight.mul_(torch.tensor([10, 10, 5, 5]).repeat(9)[:, None, None, None])
    torch.manual_seed(1)
    one = proposed_on(network, 5, 8, (75, 120)).regions
    torch.manual_seed(1)
    other = proposed_on(tenths, 5, 8, (75, 120)).regions
    for own, others in zip(one, other, strict=True):
        torch.testing.assert_close(own, others, atol=1e-3, rtol=0)


def test_more_proposals_are_kept_in_training(network):
    found = {}
    for training in (True, False):
        network.train(training)
        torch.manual_seed(1)
        with torch.no_grad():
            proposed = network(torch.zeros(1, 3, 320, 320), [torch.randn(1, 4, 20, 20)], (320, 320))
        found[training] = len(proposed.regions[0])
    assert found[False] == 8
    assert found[True] > 100


def test_candidates_are_counted_level_by_level():
    settings = ProposalSettings(before=1000, anchors=AnchorSettings(scales=(8,)))
    network = ProposalNetwork.from_settings(settings, 4, [8, 16, 32])
    assert network.num_candidates([(40, 60), (20, 30), (10, 15)]) == 1000 + 1000 + 3 * 150
