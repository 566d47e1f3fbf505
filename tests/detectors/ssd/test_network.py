# Tests singleshot/detectors/ssd/__init__.py
import pytest
import torch

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.common.priors import prior_boxes
from singleshot.detectors.ssd.heads import Heads
from singleshot.detectors.ssd.loss import LossOptions
from singleshot.detectors.ssd.matching import MatchingOptions
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.priors import Priors, prior_levels, shapes_by_rule
from singleshot.detectors.ssd.pyramid import ExtraLevel, Pyramid
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.structures import Batch, Truth


def ssd(*, num_classes=2, **overrides):
    settings = {
        "model.input": [96, 128],
        **{key.replace("__", "."): value for key, value in overrides.items()},
    }
    torch.manual_seed(0)
    recipe = load_recipe("ssdlite320-lite0", settings)
    return build_detector(
        recipe.model, [f"class {n}" for n in range(num_classes)], pretrained=False
    )


def batch_of(*truths):
    images = torch.randint(256, (len(truths), 3, 96, 128), dtype=torch.uint8)
    return Batch(images, tuple(truths), tuple(map(str, range(len(truths)))))


NOTHING = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
ONE = Truth.of(torch.tensor([[10.0, 20, 60, 80]]), torch.tensor([1]))


def test_an_image_gives_one_row_for_each_prior():
    detector = ssd()
    offsets, logits = detector(torch.zeros(2, 3, 96, 128, dtype=torch.uint8))
    priors = len(detector.priors_cxcywh_unit)
    assert offsets.shape == (2, priors, 4)
    assert logits.shape == (2, priors, 3)


def test_priors_that_overlap_learn_the_object():
    _, found = ssd().match(batch_of(NOTHING, ONE))
    assert set(found.image.tolist()) == {1}
    assert set(found.labels.tolist()) == {1}
    torch.testing.assert_close(
        found.boxes_unit[0], torch.tensor([10 / 128, 20 / 96, 60 / 128, 80 / 96])
    )


def test_an_image_without_objects_gives_zero_localization_loss():
    losses = ssd().losses(batch_of(NOTHING, NOTHING))
    assert losses.terms["localization"] == 0
    assert losses.total.isfinite()


def test_a_few_steps_on_one_batch_lower_the_loss():
    detector = ssd().train()
    batch = batch_of(ONE, NOTHING)
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.02, momentum=0.9)
    first = detector.losses(batch).total.item()
    for _ in range(12):
        loss = detector.losses(batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert detector.losses(batch).total.item() < 0.5 * first


def test_detections_are_in_pixels_of_each_image():
    detector = ssd(model__results__score_threshold=0.0).eval()
    images = [
        torch.zeros(3, 40, 30, dtype=torch.uint8),
        torch.zeros(3, 200, 500, dtype=torch.uint8),
    ]
    small, large = detector.detect(images)
    assert len(small) > 0
    assert small.boxes[:, 2].max() <= 30
    assert large.boxes[:, 2].max() > 100
    assert (small.scores.diff() <= 0).all()


def test_no_images_no_detections():
    assert ssd().detect([]) == []


def test_one_class_is_enough():
    assert ssd(num_classes=1)(torch.zeros(1, 3, 96, 128))[1].shape[-1] == 2


@pytest.mark.parametrize("size", [[480, 360], [320, 320], [97, 203]])
def test_any_input_size_has_centres_inside_the_image(size):
    detector = ssd(model__input=size)
    centres = detector.priors_cxcywh_unit[:, :2]
    assert ((centres > 0) & (centres < 1)).all()
    # A square prior is square in pixels.
    width, height = (detector.priors_cxcywh_unit[0, 2:] * torch.tensor(size[::-1])).tolist()
    assert width == pytest.approx(height)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "ghostnet_100"])
def test_any_timm_backbone_works(name):
    detector = ssd(model__backbone__name=name, model__backbone__frozen_stride=0)
    assert detector(torch.zeros(1, 3, 96, 128))[0].shape[1] == len(detector.priors_cxcywh_unit)


def test_a_number_of_levels_that_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="levels"):
        ssd(model__backbone__strides=[32])


def test_too_small_an_input_is_refused():
    recipe = load_recipe("ssd300-vgg16", {"model.input": [64, 64]})
    with pytest.raises(ModelError, match=r"cannot take model\.input = \[64, 64\]"):
        build_detector(recipe.model, ["one"], pretrained=False)


class Halving(Backbone):
    """Three feature maps of strides 8, 16 and 32."""

    channels = (4, 6, 8)
    pixel_mean, pixel_std = (128.0, 128.0, 128.0), (64.0, 64.0, 64.0)

    def __init__(self):
        super().__init__()
        widths = (3, *self.channels)
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv2d(below, width, 3, stride, padding=1)
            for below, width, stride in zip(widths, self.channels, (8, 2, 2), strict=False)
        )

    def forward(self, images):
        features = [images]
        for layer in self.layers:
            features.append(layer(features[-1]).relu())
        return features[1:]


def test_an_ssd_is_made_of_parts_without_a_recipe():
    torch.manual_seed(0)
    backbone = Halving()
    pyramid = Pyramid(backbone.channels, [ExtraLevel(squeeze=4, channels=8)])
    shapes = [shapes_by_rule(size, 1.5 * size, [2]) for size in (16, 24, 36, 54)]
    grids = [(12, 16), (6, 8), (3, 4), (2, 2)]
    levels = tuple(prior_levels(grids, shapes, (96, 128)))
    heads = Heads(pyramid.channels, [4] * 4, num_classes=2)
    priors = Priors(prior_boxes(levels, (96, 128)), levels, (96, 128))
    detector = Ssd(
        backbone,
        ["cat", "dog"],
        pyramid,
        heads,
        priors,
        matching=MatchingOptions("atss"),
        loss=LossOptions(localization="giou"),
        postprocessing=PostprocessOptions(keep=7),
    )
    losses = detector.losses(batch_of(ONE, NOTHING))
    losses.total.backward()
    assert losses.num_matches > 0
    assert set(losses.terms) == {"localization", "classification"}
    [found] = detector.eval().detect([torch.zeros(3, 50, 60, dtype=torch.uint8)])
    assert len(found) == 7


def test_matched_priors_are_those_of_the_loss_without_running_the_network(monkeypatch):
    detector, batch = ssd(), batch_of(NOTHING, ONE)
    _, expected = detector.match(batch)
    monkeypatch.setattr(Ssd, "forward", None)
    found = detector.match_objects(batch)
    assert torch.equal(found.prior, expected.prior)
    assert torch.equal(found.image, expected.image)
    torch.testing.assert_close(found.boxes, ONE.boxes.expand(len(found.prior), 4))


def test_mined_negatives_are_three_for_each_match_and_surest_first():
    # A lower threshold, so that there is more than one match.
    detector = ssd(model__matching__min_negatives=0, model__matching__iou_threshold=0.3).eval()
    batch = batch_of(NOTHING, ONE)
    matches, mined = detector.match_objects(batch), detector.mine_negatives(batch)
    assert len(mined.prior) == 3 * len(matches.prior) > 3
    assert set(mined.image.tolist()) == {1}
    assert not set(mined.prior.tolist()) & set(matches.prior.tolist())
    assert (mined.score.diff() <= 0).all()


def test_a_loss_of_all_priors_mines_none():
    focal = {"model.loss.classification": "focal", "model.heads.scores": "sigmoid"}
    assert ssd(**focal).mine_negatives(batch_of(ONE)) is None


def test_the_layout_of_priors_is_in_pixels_of_the_input():
    detector = ssd()
    layout = detector.prior_layout()
    assert layout.size == (96, 128)
    assert len(layout.boxes) == len(layout.level_of_prior()) == detector.num_boxes
    assert layout.level_of_prior().bincount().tolist() == list(map(len, layout.levels))
    centres = (layout.boxes[:, :2] + layout.boxes[:, 2:]) / 2
    assert centres[0].tolist() == pytest.approx([4, 4])  # half a stride of 8 pixels
