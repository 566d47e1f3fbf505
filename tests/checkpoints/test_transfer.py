"""Starting a detector from another one."""

# Tests singleshot/detectors/common/class_names.py
# Tests singleshot/models/opening.py

import pytest
import torch

from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe

INPUT = {"model.input": [96, 128]}
PRIORS = 4  # at each place of the first level


def detector(class_names, **more):
    recipe = load_recipe("ssdlite320-lite0", {**INPUT, **more})
    built = build_detector(recipe.model, class_names, pretrained=False)
    return built, Checkpoint(built.state_dict(), recipe, tuple(class_names), {})


def output(model):
    """Rows of the first level's class outputs: priors x columns x channels."""
    return model.heads.logits[0][-1].weight.detach().reshape(PRIORS, -1, 96)


def test_class_outputs_go_by_name_and_the_background_with_them():
    theirs, checkpoint = detector(["cat", "dog", "person"])
    ours, _ = detector(["person", "bird", "cat"])
    found = TrainedDetector(checkpoint, "theirs").transfer_to(ours)
    assert torch.equal(output(ours)[:, 0], output(theirs)[:, 0])
    assert torch.equal(output(ours)[:, 1], output(theirs)[:, 3])
    assert torch.equal(output(ours)[:, 3], output(theirs)[:, 1])
    # A new class begins with the mean of all classes: a random row would answer at every prior.
    torch.testing.assert_close(output(ours)[:, 2], output(theirs)[:, 1:].mean(dim=1))
    assert found.classes == {"person": "person", "cat": "cat"}
    assert found.new_classes == ("bird",)
    assert "classes kept: person, cat; new: bird" in str(found)


def test_a_class_under_another_name_is_carried_over_and_a_new_one_begins_with_the_nearest():
    theirs, checkpoint = detector(["cat", "airplane", "person"])
    ours, _ = detector(["lynx", "jet", "pedestrian"])
    found = TrainedDetector(checkpoint, "theirs").transfer_to(
        ours, {"pedestrian": "person", "jet": "aeroplane"}, {"lynx": "cat", "jet": "person"}
    )
    assert torch.equal(output(ours), output(theirs))
    assert found.classes == {"jet": "airplane", "pedestrian": "person"}
    assert found.nearest == {"lynx": "cat"}
    assert found.new_classes == ()
    assert (
        "classes kept: jet from airplane, pedestrian from person; "
        "new, from the nearest class: lynx from cat"
    ) in str(found)


def test_a_class_map_of_unknown_classes_is_refused():
    _, checkpoint = detector(["cat", "person"])
    ours, _ = detector(["pedestrian"])
    start = TrainedDetector(checkpoint, "runs/cats")
    with pytest.raises(ModelError, match="--class-map pedestrain=person: the data have no class"):
        start.transfer_to(ours, {"pedestrain": "person"})
    with pytest.raises(ModelError, match="runs/cats has no class 'persn'; did you mean 'person'"):
        start.transfer_to(ours, {"pedestrian": "persn"})


def test_the_same_classes_make_the_same_detector():
    theirs, checkpoint = detector(["cat", "dog"])
    ours, _ = detector(["cat", "dog"])
    found = TrainedDetector(checkpoint, "theirs").transfer_to(ours)
    assert found.carried == found.tensors == len(theirs.state_dict())
    assert found.new == ()
    assert all(torch.equal(t, theirs.state_dict()[n]) for n, t in ours.state_dict().items())


def test_sigmoid_outputs_have_no_background_to_carry_over():
    theirs, checkpoint = detector(["cat", "dog"], **{"model.heads.scores": "sigmoid"})
    ours, _ = detector(["dog"])
    nothing = output(ours)[:, 0].clone()
    TrainedDetector(checkpoint, "theirs").transfer_to(ours)
    assert torch.equal(output(ours)[:, 1], output(theirs)[:, 1])
    assert torch.equal(output(ours)[:, 0], nothing)


def test_other_priors_begin_anew_at_their_level_alone():
    ratios = [[2, 3], [2, 3], [2, 3], [2, 3], [2, 3], [2, 3]]
    _, checkpoint = detector(["cat"])
    ours, _ = detector(["cat"], **{"model.priors.aspect_ratios": ratios})
    found = TrainedDetector(checkpoint, "theirs").transfer_to(ours)
    assert all(name.startswith(("heads.offsets.0.", "heads.logits.0.")) for name in found.new)
    assert len(found.new) == 4


def test_a_bias_that_fits_without_its_weight_begins_anew():
    narrow = {"model.pyramid.top_down": 48}
    _, checkpoint = detector(["cat"], **narrow)
    ours, _ = detector(["cat"])
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    found = TrainedDetector(checkpoint, "theirs").transfer_to(ours)
    assert (found.classes, found.new_classes) == ({}, ("cat",))
    assert "classes kept: none; new: cat" in str(found)
    for name, tensor in ours.state_dict().items():
        if name.startswith("heads."):
            assert name in found.new
            assert torch.equal(tensor, before[name])


def test_voc_and_coco_mean_the_same_by_two_names():
    _, checkpoint = detector(["airplane", "tv"])
    ours, _ = detector(["tvmonitor", "aeroplane"])
    assert TrainedDetector(checkpoint, "theirs").transfer_to(ours).new_classes == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"model.backbone.name": "resnet18", "model.backbone.weights": "none"},
        {"model.backbone.frozen_stride": 0},
        {"model.backbone.batch_norm": "frozen"},
    ],
)
def test_a_backbone_that_fits_in_part_is_refused(changes):
    _, checkpoint = detector(["cat"])
    other, start = detector(["cat"], **changes)
    with pytest.raises(ModelError, match=r"runs/cats: its backbone \(tf_eff.*does not fit"):
        TrainedDetector(checkpoint, "runs/cats").transfer_to(other)
    ours, _ = detector(["cat"])
    with pytest.raises(ModelError, match="does not fit"):
        TrainedDetector(start, "runs/other").transfer_to(ours)


def test_a_backbone_with_a_stage_less_takes_what_it_has():
    theirs, checkpoint = detector(["cat"])
    extra = [{"squeeze": 64, "channels": 64}] * 4
    changes = {"model.backbone.strides": [8, 16], "model.pyramid.extra": extra}
    ours, _ = detector(["cat"], **changes)
    TrainedDetector(checkpoint, "runs/cats").transfer_to(ours)
    stem = "backbone.body.conv_stem.weight"
    assert torch.equal(ours.state_dict()[stem], theirs.state_dict()[stem])
