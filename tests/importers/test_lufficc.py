import pytest
import torch
from port_files import (
    VGG_GRIDS,
    Figures,
    convolution,
    figures,
    hollow,
    inverted_extras,
    mobilenet_v2,
    normalised,
    plain_extras,
    plain_heads,
    priors_of,
    separable_heads,
    vgg16,
    weights,
)

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.importers.amdegroot import is_amdegroot
from singleshot.importers.lufficc import is_lufficc, read_lufficc

LOGITS, OFFSETS = "box_head.predictor.cls_headers", "box_head.predictor.reg_headers"

# What its `build_detection_model` with each of its configs, `PriorBox` and `box_utils` give.
VGG512 = Figures(
    logits=(-0.03998, -0.05083, 0.10039, 0.28046),
    offsets=(0.00676, -0.03971, -0.06937, -0.25741),
    boxes=(
        (-0.02748, -0.02786, 0.04261, 0.04319),
        (0.65913, 0.15946, 0.76079, 0.26093),
        (0.92720, 0.71703, 1.02484, 0.76715),
        (0.19211, -0.00920, 0.79657, 1.00811),
    ),
    means=(0.29343, 0.32863, 0.50373),
)
MOBILENET_V2 = Figures(
    logits=(0.24028, 0.64701, -0.45197, 1.46534),
    offsets=(-0.24461, 0.05155, -0.32601, -1.27400),
    boxes=(
        (-0.05926, -0.07187, 0.11929, 0.11031),
        (0.78391, 0.07469, 0.97335, 0.26304),
        (0.41050, 0.53241, 0.53471, 0.83803),
        (0.28761, 0.30779, 0.68616, 1.14900),
    ),
    means=(0.33052, 0.35542, 0.51031),
)
EFFICIENTNET_B3 = Figures(
    logits=(-0.01360, -0.03247, 0.19473, 0.04416),
    offsets=(0.02629, -0.04658, -0.08157, -0.03761),
    boxes=(
        (-0.03725, -0.03747, 0.06328, 0.06298),
        (0.16518, 0.15588, 0.23524, 0.30068),
        (0.66320, 0.72469, 0.80233, 0.79515),
        (0.19630, -0.00986, 0.81389, 1.00268),
    ),
    means=(0.06190, 0.05930, 0.51403),
)


def vgg_shapes(*, side=300, columns=21):
    channels, priors = (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4)
    if side == 512:
        channels, priors = (*channels, 256), (4, 6, 6, 6, 6, 4, 4)
    names = [
        (f"backbone.extras.{2 * level}", f"backbone.extras.{2 * level + 1}")
        for level in range(len(channels) - 2)
    ]
    return {
        **vgg16("backbone.vgg"),
        **plain_extras(names, channels[2:], below=1024),
        "backbone.l2_norm.weight": (512,),
        **plain_heads(LOGITS, columns, channels, priors),
        **plain_heads(OFFSETS, 4, channels, priors),
    }


def mobilenet_v2_shapes(*, columns=21):
    full, first = ("0.0", "0.1", "1.0", "1.1", "2", "3"), ("0.0", "0.1", "1", "2")
    channels = (96, 1280, 512, 256, 256, 64)
    return {
        **mobilenet_v2("backbone.features", full, first),
        **inverted_extras("backbone.extras", full),
        **separable_heads(LOGITS, columns, channels, inner=".conv"),
        **separable_heads(OFFSETS, 4, channels, inner=".conv"),
    }


def efficientnet_b3_shapes():
    channels, priors = (48, 136, 384, 256, 256, 256), (4, 6, 6, 6, 4, 4)
    names = [(f"backbone.extras.{level}.0", f"backbone.extras.{level}.2") for level in range(3)]
    shapes = normalised(("backbone._conv_stem", "backbone._bn0"), 3, 40, 3)
    below, number = 40, 0
    for stage, (repeats, width) in enumerate(
        ((2, 24), (3, 32), (3, 48), (5, 96), (5, 136), (6, 232), (2, 384))
    ):
        kernel = 5 if stage in {2, 4, 5} else 3
        for _ in range(repeats):
            shapes |= efficientnet_block(f"backbone._blocks.{number}", below, width, kernel, stage)
            below, number = width, number + 1
    return {
        **shapes,
        **plain_extras(names, (256, 256, 256), below=384),
        **plain_heads(LOGITS, 21, channels, priors),
        **plain_heads(OFFSETS, 4, channels, priors),
    }


def efficientnet_block(name, below, width, kernel, stage):
    hidden = 6 * below if stage else below
    expansion = normalised((f"{name}._expand_conv", f"{name}._bn0"), below, hidden) if stage else {}
    return {
        **expansion,
        **normalised((f"{name}._depthwise_conv", f"{name}._bn1"), 1, hidden, kernel),
        **convolution(f"{name}._se_reduce", hidden, below // 4, 1),
        **convolution(f"{name}._se_expand", below // 4, hidden, 1),
        **normalised((f"{name}._project_conv", f"{name}._bn2"), hidden, width),
    }


def saved(tmp_path, state):
    """As its `CheckPointer` writes it."""
    path = tmp_path / "model_final.pth"
    optimizer = {"state": {}, "param_groups": [{"lr": 0.001, "params": [0]}]}
    torch.save({"model": state, "optimizer": optimizer, "iteration": 120000}, path)
    return path


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        pytest.param(vgg_shapes(side=512), VGG512, id="vgg512"),
        pytest.param(mobilenet_v2_shapes(), MOBILENET_V2, id="mobilenet-v2"),
        pytest.param(efficientnet_b3_shapes(), EFFICIENTNET_B3, id="efficientnet-b3"),
    ],
)
def test_outputs_and_boxes_are_those_of_its_own_code(tmp_path, shapes, expected):
    path = saved(tmp_path, weights(shapes, raw_pixels=True))
    detector = detector_from(read_lufficc(path), str(path))
    assert list(figures(detector).numbers()) == pytest.approx(list(expected.numbers()), abs=1e-4)


@pytest.mark.parametrize(
    ("side", "columns", "total"),
    [
        (300, 21, 11906.5893),
        (300, 81, 11230.2287),
        (300, 4, 11906.5893),
        (512, 21, 30853.9973),
        (512, 81, 28947.8775),
    ],
)
def test_priors_of_vgg_are_those_of_its_configs(tmp_path, side, columns, total):
    checkpoint = read_lufficc(saved(tmp_path, hollow(vgg_shapes(side=side, columns=columns))))
    assert checkpoint.recipe.model.input == (side, side)
    priors = priors_of(checkpoint, VGG_GRIDS[side])
    assert float(priors.double().sum()) == pytest.approx(total, abs=1e-3)


def test_sizes_of_ssd512_are_not_cut_to_whole_pixels(tmp_path):
    priors = priors_of(read_lufficc(saved(tmp_path, hollow(vgg_shapes(side=512)))), VGG_GRIDS[512])
    assert float(priors[0, 2] * 512) == pytest.approx(35.84, abs=1e-4)


def test_thresholds_are_its_own(tmp_path):
    checkpoint = read_lufficc(saved(tmp_path, hollow(mobilenet_v2_shapes())))
    results = checkpoint.recipe.model.results
    assert (results.score_threshold, results.iou_threshold, results.keep) == (0.01, 0.45, 100)
    assert results.top_k > 24564  # everything goes into NMS
    assert checkpoint.recipe.model.pixels is not None
    assert checkpoint.recipe.model.pixels.mean == (123, 117, 104)


def test_mobilenet_v3_is_refused_with_the_reason(tmp_path):
    state = hollow({**convolution("backbone.features.1.conv.0", 1, 16, 3), f"{LOGITS}.0.x": (1,)})
    with pytest.raises(ModelError, match=r"model_final\.pth: no detector .* MobileNetV3 squeezes"):
        read_lufficc(saved(tmp_path, state))


def test_a_missing_layer_is_named(tmp_path):
    state = hollow(vgg_shapes())
    del state["backbone.l2_norm.weight"]
    with pytest.raises(ModelError, match=r"lacks 'backbone\.l2_norm\.weight'.*vgg300"):
        read_lufficc(saved(tmp_path, state))


def test_a_file_without_weights_is_refused(tmp_path):
    path = tmp_path / "notes.pth"
    path.write_text("not weights")
    with pytest.raises(ModelError, match=r"notes\.pth: not a PyTorch file of plain tensors"):
        read_lufficc(path)


def test_it_is_recognised_by_the_names_of_its_tensors():
    assert is_lufficc(hollow(vgg_shapes()))
    assert is_lufficc(hollow(mobilenet_v2_shapes()))
    assert not is_amdegroot(hollow(vgg_shapes()))
