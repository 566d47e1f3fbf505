import pytest
import torch
from torchvision.models.detection import (
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)

from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.importers.recognise import detect_weight_kind
from singleshot.importers.torchvision import read_torchvision
from singleshot.recipes.load import load_recipe


@pytest.fixture(scope="module")
def state():
    """Two classes and the background; the values do not matter here."""
    return state_of(fasterrcnn_resnet50_fpn)


def state_of(make):
    with torch.device("meta"):
        network = make(weights=None, weights_backbone=None, num_classes=3)
    return {name: torch.zeros(t.shape, dtype=t.dtype) for name, t in network.state_dict().items()}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "theirs.pth"


def test_it_is_recognised_by_its_tensors(state, file):
    torch.save(state, file)
    assert detect_weight_kind(file) == "torchvision"


def test_its_settings_come_with_it(state, file):
    torch.save(state, file)
    model = read_torchvision(file).recipe.model
    assert (model.input, model.aspect, model.results.keep) == ((800, 1333), "keep", 100)
    assert (model.results.score_threshold, model.results.iou_threshold) == (0.05, 0.5)


def test_a_missing_layer_is_named(state, file):
    torch.save({k: v for k, v in state.items() if "box_head.fc7" not in k}, file)
    with pytest.raises(ModelError, match=r"lacks 'roi_heads\.box_head\.fc7\.weight'"):
        read_torchvision(file)


def test_offsets_of_other_classes_than_scores_are_refused(state, file):
    name = "roi_heads.box_predictor.bbox_pred"
    fewer = {f"{name}.{part}": state[f"{name}.{part}"][:8] for part in ("weight", "bias")}
    torch.save({**state, **fewer}, file)
    with pytest.raises(ModelError, match="8 offsets for 3 classes"):
        read_torchvision(file)


def test_a_training_begins_with_all_of_it_but_the_classes(state, file):
    torch.save(state, file)
    overrides = {"model.backbone.batch_norm": "frozen"}
    recipe = load_recipe("faster-rcnn-resnet50-fpn", overrides)
    detector = build_detector(recipe.model, ["a", "b", "c"], pretrained=False)
    begun = TrainedDetector(read_torchvision(file), "theirs.pth").transfer_to(detector)
    outputs = ("heads.logits", "heads.offsets")
    assert begun.new == tuple(f"{name}.{part}" for name in outputs for part in ("weight", "bias"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (fasterrcnn_mobilenet_v3_large_fpn, "not on ResNet-50, 101 or 152"),
        (fasterrcnn_resnet50_fpn_v2, "of another architecture|is no complete"),
    ],
)
def test_its_relatives_are_refused(make, message, file):
    torch.save(state_of(make), file)
    with pytest.raises(ModelError, match=message):
        read_torchvision(file)
