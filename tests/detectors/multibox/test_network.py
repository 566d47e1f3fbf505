"""MultiBox: 1,420 priors, proposals, and a second stage that classifies them."""

# Tests singleshot/detectors/multibox/heads.py
# Tests singleshot/detectors/multibox/post_classifier.py
# Tests singleshot/detectors/multibox/settings.py

import pytest
import torch
from small import TINY

from singleshot.detectors.multibox.heads import cell_shapes
from singleshot.detectors.multibox.network import BoxOutputs
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth

pytest.importorskip("scipy", reason="needs SciPy: pip install 'singleshot[baselines]'")

NAMES = ("cat", "dog")
SMALL = {
    "model.backbone": TINY,
    "model.pixels.mean": [128, 128, 128],
    "model.pixels.std": [64, 64, 64],
    "model.classifier.backbone": TINY,
    "model.classifier.warped": 48,
    "model.classifier.proposals": 8,
    "model.classifier.begins": 0.7,
}


def built(height, width):
    torch.manual_seed(0)
    settings = load_recipe("multibox", {**SMALL, "model.input": [height, width]}).model
    return build_detector(settings, NAMES, pretrained=False)


@pytest.fixture(scope="module")
def full():
    """The network of the paper, without weights."""
    with torch.device("meta"):
        return build_detector(load_recipe("multibox").model, NAMES, pretrained=False)


@pytest.fixture
def detector():
    return built(96, 128)


@pytest.fixture
def batch(random):
    images = torch.randint(256, (2, 3, 96, 128), generator=random, dtype=torch.uint8)
    box = torch.tensor([[10.0, 20, 60, 70]])
    truths = (Truth.of(box, torch.tensor([1])), Truth.of(box[:0], torch.tensor([], dtype=int)))
    return Batch(images, truths, ("a", "b"))


def test_it_has_1420_priors(full):
    assert full.num_boxes == sum(map(len, full.levels)) == 1420
    assert [level.grid for level in full.levels] == [(side, side) for side in (8, 6, 4, 3, 2, 1)]
    assert [level.num_priors_per_cell for level in full.levels] == [11] * 5 + [1]


def test_the_grids_that_the_tutorial_names_alone_would_give_1277(full):
    named = [level for level in full.levels if level.grid[0] in {8, 6, 4, 1}]
    assert sum(map(len, named)) == 1277


def test_priors_lie_in_the_image_and_the_last_is_all_of_it(detector):
    priors = detector.priors_unit
    assert ((priors >= 0) & (priors <= 1)).all()
    assert priors[-1].tolist() == [0, 0, 1, 1]
    assert (priors[:, 2:] > priors[:, :2]).all()


def test_a_cell_has_three_squares_and_eight_rectangles():
    shapes = cell_shapes(1.0, 8.0)
    assert [width for width, height in shapes if width == height] == pytest.approx([1, 2, 4])
    ratios = [width / height for width, height in shapes[3:]]
    assert ratios == pytest.approx([2, 1 / 2, 3, 1 / 3] * 2)
    sides = [(width * height) ** 0.5 for width, height in shapes[3:]]
    assert sides == pytest.approx([1] * 4 + [8**0.5] * 4)


def test_other_sizes_have_other_grids():
    detector = built(96, 160)
    grids = [level.grid for level in detector.levels]
    assert grids == [(6, 10), (4, 8), (3, 5), (2, 4), (1, 3), (1, 1)]
    outputs, _, _ = detector.eval()(torch.zeros(1, 3, 96, 160))
    assert outputs.boxes_unit.shape == (1, detector.num_boxes, 4)


def test_an_image_with_too_few_cells_is_refused():
    with pytest.raises(ModelError, match=r"cannot take model.input = \[48, 160\].*5 cells"):
        built(48, 160)


@torch.no_grad()
def test_boxes_begin_at_their_priors(detector):
    outputs, _, _ = detector.eval()(torch.zeros(1, 3, 96, 128))
    apart = (outputs.boxes_unit[0] - detector.priors_unit).abs().mean()
    assert apart < 0.2
    assert float(outputs.logits.sigmoid().median()) == pytest.approx(0.01, abs=0.01)


def test_proposals_are_the_most_confident_boxes_that_differ(detector):
    boxes = detector.priors_unit.clone()
    boxes[:3] = torch.tensor([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.52], [0.5, 0.5, 1, 1.25]])
    logits = torch.full((len(boxes),), -9.0)
    logits[:3] = torch.tensor([2.0, 3.0, 1.0])
    [found] = detector.propose(BoxOutputs(boxes[None], logits[None]))
    assert len(found) == 8
    # The first is nearly the second, which is surer; the third is cut off at the edge.
    expected = torch.tensor([[0, 0, 64, 0.52 * 96], [64, 48, 128, 96]])
    torch.testing.assert_close(found[:2], expected)


def learning(detector, batch):
    """The parts that a step would change."""
    detector.zero_grad()
    detector.losses(batch).total.backward()
    parameters = detector.named_parameters()
    return {name.partition(".")[0] for name, p in parameters if p.grad is not None and p.grad.any()}


def test_boxes_learn_first_then_the_classifier_alone(detector, batch):
    detector.train()
    detector.enter(0.69)
    assert learning(detector, batch) == {"backbone", "grids", "heads"}
    detector.enter(0.7)
    before = [buffer.clone() for buffer in detector.grids.buffers()]
    assert learning(detector, batch) == {"classifier"}
    assert all(map(torch.equal, before, detector.grids.buffers()))


def test_the_classifier_sees_annotated_boxes_from_the_first_step(detector, batch):
    detector.train()
    detector.enter(1.0)
    assert detector.losses(batch).num_matches >= 1


def test_both_stages_cost_the_mean_of_the_images(detector, batch):
    detector.eval()
    for part in (0.0, 1.0):
        detector.enter(part)
        together = detector.losses(batch).terms["classification"]
        each = [detector.losses(one).terms["classification"] for one in batch.parts(2)]
        torch.testing.assert_close(together, (each[0] + each[1]) / 2, rtol=1e-4, atol=1e-4)


def test_every_proposal_is_scored_for_every_class_where_it_was_proposed(detector, batch):
    detector.eval()
    images = batch.images[:1].float()
    _, [proposed], logits = detector(images)
    assert len(logits) == len(proposed)
    [scored] = detector.score_boxes(images)
    assert len(scored) == 2 * len(proposed)
    assert scored.labels.tolist() == [0, 1] * len(proposed)
    torch.testing.assert_close(scored.boxes[::2], proposed)


def test_one_prior_is_matched_to_each_object(detector, batch):
    matches, layout = detector.match_objects(batch), detector.prior_layout()
    assert matches.image.tolist() == [0]
    assert torch.equal(matches.boxes, batch.truths[0].boxes)
    distances = (layout.boxes / torch.tensor([128.0, 96, 128, 96])).sub(
        matches.boxes / torch.tensor([128.0, 96, 128, 96])
    )
    assert matches.prior[0] == distances.square().sum(dim=1).argmin()
