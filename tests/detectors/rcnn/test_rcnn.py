import pytest
import torch
import torchvision

from singleshot.detectors.common.regions import warp_regions
from singleshot.detectors.rcnn.rcnn import scale_to_norm
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth

SMALL = {
    "model.input": [64, 96],
    "model.backbone.kind": "timm",
    "model.backbone.name": "tf_efficientnet_lite0",
    "model.backbone.strides": [8],
    "model.warped": 32,
    "model.context": 4,
    "model.fully_connected": [8],
    "model.search.regions": 20,
    "model.stages.candidates": 12,
    "model.results.score_threshold": 0.0,
}
NETWORK = {"backbone", "layers", "classes"}


@pytest.fixture
def detector():
    torch.manual_seed(0)
    detector = build_detector(load_recipe("rcnn", SMALL).model, ["a", "b"], pretrained=False)
    return detector.train()


@pytest.fixture
def batch():
    images = torch.full((2, 3, 64, 96), 200, dtype=torch.uint8)
    images[0, :, 10:40, 20:60] = torch.tensor([40, 90, 160], dtype=torch.uint8)[:, None, None]
    truth = Truth.of(torch.tensor([[20.0, 10, 60, 40]]), torch.tensor([1]))
    return Batch(images, (truth, truth[:0]), ("a", "b"))


def ramp(height, width):
    """An image whose pixels are their own middle: (x, y, 1)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)])[None]


def test_a_region_becomes_a_square_with_context_around_it():
    # 40 × 20 pixels become 19 × 19 of 27, with 4 all around.
    (cut,) = warp_regions(ramp(64, 96), [torch.tensor([[30.0, 20, 70, 40]])], side=27, context=4)
    place = (torch.arange(27) + 0.5 - 4) / 19
    torch.testing.assert_close(cut[0], (30 + 40 * place).expand(27, 27), atol=1e-3, rtol=0)
    torch.testing.assert_close(cut[1], (20 + 20 * place)[:, None].expand(27, 27), atol=1e-3, rtol=0)


def test_beyond_the_image_is_the_mean():
    (cut,) = warp_regions(ramp(64, 96), [torch.tensor([[0.0, 0, 32, 32]])], side=32, context=8)
    # The context is 16 pixels wide, none of which exist to the left and above.
    assert (cut[:, :7] == 0).all()
    assert (cut[:, :, :7] == 0).all()
    assert (cut[2, 9:, 9:] == 1).all()


def learning(detector, batch, part):
    """The parts that have a gradient at this part of the training, and the losses."""
    detector.enter(part)
    losses = detector.losses(batch)
    losses.total.backward()
    learned = {name.split(".")[0] for name, p in detector.named_parameters() if p.grad is not None}
    return learned, losses


def test_first_the_network_learns_to_classify_regions(detector, batch):
    learned, losses = learning(detector, batch, 0.0)
    assert learned == NETWORK
    assert losses.terms["localization"] == 0
    assert losses.terms["classification"] > 0


def test_then_the_machines_learn_alone(detector, batch):
    learned, losses = learning(detector, batch, 0.6)
    assert learned == {"machines"}
    assert losses.terms["localization"] == 0
    # Their outputs are 0, so that every example costs 1, a truth 2: of two images with 2
    # classes each, the one with an object has one truth more.
    assert losses.terms["classification"] > 1


def test_then_the_boxes_learn_alone(detector, batch):
    learned, losses = learning(detector, batch, 0.8)
    assert learned == {"offsets"}
    assert losses.terms["classification"] == 0


def test_what_has_learned_does_not_change_with_what_passes(detector, batch):
    detector.enter(0.7)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    detector.losses(batch)
    assert all(torch.equal(before[name], t) for name, t in detector.state_dict().items())


def test_a_resumed_training_is_in_the_stage_it_was(detector):
    stages = []
    for part in (0.0, 0.59, 0.6, 0.79, 0.8, 1.0):
        detector.enter(part)
        stages.append(detector.stage)
    assert stages == [0, 0, 1, 1, 2, 2]


def test_before_machines_have_learned_the_network_speaks(detector, batch):
    image = batch.images[:1].float()
    region = [torch.tensor([[20.0, 10, 60, 40]])]
    with torch.no_grad():
        scores, _ = detector.eval()(image, region)
        _, fc7 = detector.features(detector.normalise(image), region)
        torch.testing.assert_close(scores, detector.classes(fc7).softmax(dim=1)[:, 1:])
        detector.machines.weight.fill_(0.1)
        scores, _ = detector(image, region)
        expected = torch.sigmoid(0.1 * scale_to_norm(fc7, 20.0).sum())
    torch.testing.assert_close(scores, expected.expand(1, 2))


def test_boxes_are_regressed_without_a_spread(detector, batch):
    with torch.no_grad():
        # Half of its width to the right, for every region, of the second class.
        detector.offsets.bias.view(2, 4)[1, 0] = 0.5
        (found,) = detector.eval().score_boxes(batch.images[1:].float())
    # A plain image has one region, which is the image; it is clipped after it was moved.
    assert found.labels.tolist() == [0, 1]
    assert found.boxes.tolist() == [[0, 0, 96, 64], [48, 0, 96, 64]]


def test_features_have_one_length():
    assert scale_to_norm(torch.randn(5, 7), 20.0).norm(dim=1).tolist() == pytest.approx([20] * 5)


@pytest.mark.parametrize(
    ("widths", "text"),
    [
        ((4096, 4096), "14 tensors taken; left over: classifier.6.weight, classifier.6.bias"),
        ((64, 64), "classifier.6.bias; fc6 and fc7 start from random weights"),
    ],
)
def test_a_file_that_does_not_fit_fc6_and_fc7_is_named(tmp_path, widths, text):
    with torch.device("meta"):
        alexnet = torchvision.models.alexnet(weights=None).state_dict()
    # Zeros that take no space in the file.
    state = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in alexnet.items()}
    torch.save(state, tmp_path / "alexnet.pth")
    overrides = {
        "model.backbone.weights": str(tmp_path / "alexnet.pth"),
        "model.fully_connected": list(widths),
    }
    recipe = load_recipe("rcnn", overrides)
    detector = build_detector(recipe.model, ["one"], pretrained=True)
    assert str(detector.backbone.loaded).endswith(text)
    assert detector.layers.linear[0].weight.any() == (widths == (64, 64))
