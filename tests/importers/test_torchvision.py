import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.importers.torchvision import is_torchvision, read_torchvision

PARTS = ("weight", "bias")


@pytest.fixture(scope="module")
def ssdlite():
    """Five classes and the background."""
    torch.manual_seed(0)
    network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=6)
    return network.state_dict()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "theirs.pth"


def saved(state, file):
    torch.save(state, file)
    return file


def test_classes_without_names_are_numbered_as_in_training(ssdlite, file):
    checkpoint = read_torchvision(saved(ssdlite, file))
    assert checkpoint.class_names == ("class 1", "class 2", "class 3", "class 4", "class 5")
    assert checkpoint.recipe.model.heads.unused_columns == 0
    assert detector_from(checkpoint, source=str(file)).class_names == checkpoint.class_names


def test_its_thresholds_come_with_it(ssdlite, file):
    results = read_torchvision(saved(ssdlite, file)).recipe.model.results
    assert (results.score_threshold, results.iou_threshold) == (0.001, 0.55)
    assert (results.top_k, results.keep) == (300, 300)


def test_cocos_91_columns_are_80_classes(file):
    state = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).state_dict()
    bias = "head.classification_head.module_list.0.1.bias"
    state[bias] = torch.arange(6.0 * 91)
    checkpoint = read_torchvision(saved(state, file))
    assert len(checkpoint.class_names) == 80
    assert checkpoint.recipe.model.heads.unused_columns == 10
    theirs = state[bias].reshape(6, 91)
    ours = checkpoint.weights["heads.logits.0.1.bias"].reshape(6, 91)
    # Background and person stay; 12 is a gap, so that stop signs (13) move up; a gap ends the row.
    for column, id_ in ((0, 0), (1, 1), (12, 13), (80, 90), (81, 12)):
        assert torch.equal(ours[:, column], theirs[:, id_])


def test_it_is_recognised_by_its_tensors(ssdlite):
    assert is_torchvision(ssdlite)
    assert not is_torchvision({"vgg.0.weight": torch.zeros(1)})


def test_another_file_is_refused(file):
    with pytest.raises(ModelError, match="none of ssd300_vgg16, ssdlite320_mobilenet_v3_large"):
        read_torchvision(saved({"weight": torch.zeros(1)}, file))


def test_a_missing_tensor_is_named(ssdlite, file):
    state = dict(ssdlite)
    del state["backbone.features.1.0.2.fc1.weight"]
    with pytest.raises(ModelError, match=r"lacks 'backbone\.features\.1\.0\.2\.fc1\.weight'"):
        read_torchvision(saved(state, file))


def test_an_unknown_tensor_is_named(ssdlite, file):
    state = {**ssdlite, "roi_heads.weight": torch.zeros(1)}
    with pytest.raises(ModelError, match=r"has 'roi_heads\.weight', which no ssdlite320_mobilenet"):
        read_torchvision(saved(state, file))


def test_a_truncated_file_is_refused(ssdlite, file):
    content = saved(ssdlite, file).read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"theirs\.pth: cut short"):
        read_torchvision(file)


@pytest.mark.parametrize("columns", [4, 0])
def test_levels_that_disagree_about_the_classes_are_refused(ssdlite, file, columns):
    head = "head.classification_head.module_list.3.1"
    fewer = {f"{head}.{kind}": ssdlite[f"{head}.{kind}"][: 6 * columns] for kind in PARTS}
    with pytest.raises(ModelError, match="not one number of classes"):
        read_torchvision(saved({**ssdlite, **fewer}, file))


def test_a_background_alone_is_no_detector(ssdlite, file):
    heads = [f"head.classification_head.module_list.{level}.1" for level in range(6)]
    background = {f"{h}.{kind}": ssdlite[f"{h}.{kind}"][:6] for h in heads for kind in PARTS}
    with pytest.raises(ModelError, match="no class but the background"):
        read_torchvision(saved({**ssdlite, **background}, file))
