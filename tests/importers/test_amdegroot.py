import os

import pytest
import torch
from port_files import (
    VGG_GRIDS,
    Figures,
    figures,
    hollow,
    plain_extras,
    plain_heads,
    priors_of,
    vgg16,
    weights,
)

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.importers.amdegroot import is_amdegroot, read_amdegroot

# What `build_ssd("train", 300, 21)` and `decode` of amdegroot/ssd.pytorch give.
VOC = Figures(
    logits=(0.06140, -0.06875, -0.01671, -0.20784),
    offsets=(0.04149, -0.02715, -0.03198, 0.10252),
    boxes=(
        (-0.03665, -0.03760, 0.06419, 0.06280),
        (0.16483, 0.15550, 0.23516, 0.29724),
        (0.66191, 0.72453, 0.80243, 0.79523),
        (0.19338, -0.01789, 0.82852, 1.05084),
    ),
    means=(0.24960, 0.21530, 0.51372),
)


def shapes(*, columns=21):
    channels, priors = (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4)
    names = [(f"extras.{2 * level}", f"extras.{2 * level + 1}") for level in range(4)]
    return {
        **vgg16("vgg"),
        "L2Norm.weight": (512,),
        **plain_extras(names, (512, 256, 256, 256), below=1024),
        **plain_heads("loc", 4, channels, priors),
        **plain_heads("conf", columns, channels, priors),
    }


def saved(tmp_path, state):
    path = tmp_path / "ssd300.pth"
    torch.save(state, path)
    return path


def test_outputs_and_boxes_are_those_of_its_own_code(tmp_path):
    path = saved(tmp_path, weights(shapes(), raw_pixels=True))
    detector = detector_from(read_amdegroot(path), str(path))
    assert list(figures(detector).numbers()) == pytest.approx(list(VOC.numbers()), abs=1e-4)


@pytest.mark.parametrize(
    ("columns", "total"), [(21, 11906.5893), (81, 11230.2287), (4, 11230.2287)]
)
def test_priors_are_vocs_for_20_classes_and_cocos_for_any_other_number(tmp_path, columns, total):
    checkpoint = read_amdegroot(saved(tmp_path, hollow(shapes(columns=columns))))
    priors = priors_of(checkpoint, VGG_GRIDS[300])
    assert len(priors) == 8732
    assert float(priors.double().sum()) == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize(
    ("columns", "names"),
    [(21, ("aeroplane", "tvmonitor")), (81, ("person", "toothbrush")), (4, ("class 1", "class 3"))],
)
def test_classes_have_their_data_sets_names(tmp_path, columns, names):
    checkpoint = read_amdegroot(saved(tmp_path, hollow(shapes(columns=columns))))
    assert len(checkpoint.class_names) == columns - 1
    assert (checkpoint.class_names[0], checkpoint.class_names[-1]) == names


def test_thresholds_are_its_own(tmp_path):
    model = read_amdegroot(saved(tmp_path, hollow(shapes()))).recipe.model
    results = model.results
    assert (results.score_threshold, results.iou_threshold, results.top_k) == (0.01, 0.45, 200)
    assert results.keep == 20 * 200  # what its code drops at the end, it drops from a copy
    assert model.resize == "opencv"
    assert model.pixels is None  # VGG's own


def test_a_missing_layer_is_named(tmp_path):
    state = hollow(shapes())
    del state["extras.3.bias"]
    with pytest.raises(ModelError, match=r"ssd300\.pth lacks 'extras\.3\.bias'.*ssd\.pytorch"):
        read_amdegroot(saved(tmp_path, state))


def test_a_layer_too_many_is_named(tmp_path):
    state = hollow(shapes()) | {"loc.6.weight": torch.zeros(1)}
    with pytest.raises(ModelError, match=r"has 'loc\.6\.weight', which no SSD300 of amdegroot"):
        read_amdegroot(saved(tmp_path, state))


def test_a_cut_off_file_is_refused_in_one_line(tmp_path):
    path = saved(tmp_path, hollow(shapes()))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cut short") as refused:
        read_amdegroot(path)
    assert "\n" not in str(refused.value)


class Surprise:
    """Unpickled, it would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_code_in_a_file_is_refused_in_one_line_and_never_run(tmp_path):
    trap = tmp_path / "executed"
    with pytest.raises(ModelError, match="code in it, which is never run") as refused:
        read_amdegroot(saved(tmp_path, {"vgg.0.weight": Surprise(trap)}))
    assert "\n" not in str(refused.value)
    assert not trap.exists()


def test_it_is_recognised_by_the_names_of_its_tensors():
    assert is_amdegroot(hollow(shapes()))
    assert not is_amdegroot({"vgg.0.weight": torch.zeros(1)})
