import pytest
import torch

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


def matched(*truths):
    detector = ssd()
    return detector.match(batch_of(*truths))[1]


def test_priors_that_overlap_learn_the_object():
    found = matched(NOTHING, ONE)
    assert set(found.image.tolist()) == {1}
    assert set(found.labels.tolist()) == {1}
    torch.testing.assert_close(
        found.boxes_unit[0], torch.tensor([10 / 128, 20 / 96, 60 / 128, 80 / 96])
    )


def test_crowds_are_not_learned():
    crowd = Truth(ONE.boxes, ONE.labels, torch.tensor([False]), torch.tensor([True]), ONE.areas)
    assert len(matched(crowd).prior) == 0


def test_difficult_objects_are_learned():
    difficult = Truth(ONE.boxes, ONE.labels, torch.tensor([True]), torch.tensor([False]), ONE.areas)
    assert len(matched(difficult).prior) > 0


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
