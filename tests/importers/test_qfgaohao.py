import pytest
import torch
from port_files import (
    Figures,
    batch_norm,
    convolution,
    figures,
    hollow,
    inverted_extras,
    mobilenet_v2,
    normalised,
    plain_extras,
    plain_heads,
    separable_heads,
    vgg16,
    weights,
)

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.errors import ModelError
from singleshot.importers.lufficc import is_lufficc
from singleshot.importers.qfgaohao import is_qfgaohao, read_qfgaohao

LOGITS, OFFSETS = "classification_headers", "regression_headers"

# What its `create_*_ssd*`, `generate_ssd_priors` and `box_utils` give.
VGG16 = Figures(
    logits=(-0.21554, -0.08282, 1.44364, 0.05697),
    offsets=(0.17812, -0.89823, 0.56760, 0.20495),
    boxes=(
        (-0.03716, -0.03989, 0.06647, 0.06442),
        (0.15243, 0.16162, 0.21152, 0.30960),
        (0.65359, 0.72088, 0.81201, 0.81358),
        (0.16377, 0.03956, 0.81206, 0.94457),
    ),
    means=(0.70036, 0.80548, 0.51705),
)
MOBILENET_V1 = Figures(
    logits=(-0.89482, -0.12506, -2.54574, -0.19663),
    offsets=(-0.14032, 0.43999, -0.78069, 0.43913),
    boxes=(
        (-0.09139, -0.08828, 0.10307, 0.14219),
        (0.59344, 0.13105, 0.90230, 0.25980),
        (0.04604, 0.57500, 0.21713, 0.83012),
        (0.18857, 0.01495, 0.78740, 0.96915),
    ),
    means=(0.98461, 0.98008, 0.52197),
)
MOBILENET_V1_LITE = Figures(
    logits=(-0.23179, 0.27654, -0.17063, -1.31066),
    offsets=(0.03213, 0.12797, -0.10683, 6.66112),
    boxes=(
        (-0.07575, -0.06550, 0.12554, 0.12612),
        (0.61633, 0.11074, 0.90650, 0.26011),
        (0.08875, 0.63315, 0.28453, 0.81642),
        (-0.65640, -0.06746, 1.42206, 0.53167),
    ),
    means=(0.28589, 0.25579, 0.52628),
)
MOBILENET_V2_LITE = Figures(
    logits=(-0.06363, -0.29128, -0.15807, 0.69568),
    offsets=(-0.41312, 0.07429, -0.33040, -0.98878),
    boxes=(
        (-0.06458, -0.06860, 0.11956, 0.12635),
        (0.63416, 0.12032, 0.92124, 0.25279),
        (0.09187, 0.62675, 0.27909, 0.83250),
        (0.27897, 0.10652, 0.72904, 0.95777),
    ),
    means=(0.22948, 0.22650, 0.52636),
)


def heads(columns, channels, priors):
    return plain_heads(LOGITS, columns, channels, priors) | plain_heads(
        OFFSETS, 4, channels, priors
    )


def extra_names():
    return [(f"extras.{level}.0", f"extras.{level}.2") for level in range(4)]


def vgg16_shapes(*, columns=21):
    return {
        **vgg16("base_net"),
        **plain_extras(extra_names(), (512, 256, 256, 256), below=1024),
        **heads(columns, (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4)),
        **batch_norm("source_layer_add_ons.0", 512),
    }


def mobilenet_v1(prefix):
    shapes = normalised((f"{prefix}.0.0", f"{prefix}.0.1"), 3, 32, 3)
    below = 32
    for block, width in enumerate((64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024), start=1):
        name = f"{prefix}.{block}"
        shapes |= normalised((f"{name}.0", f"{name}.1"), 1, below, 3)
        shapes |= normalised((f"{name}.3", f"{name}.4"), below, width)
        below = width
    return shapes


def mobilenet_v1_shapes(*, columns=21):
    return {
        **mobilenet_v1("base_net"),
        **plain_extras(extra_names(), (512, 256, 256, 256), below=1024),
        **heads(columns, (512, 1024, 512, 256, 256, 256), (6,) * 6),
    }


def bare_separable(name, below, width):
    return convolution(f"{name}.0", 1, below, 3) | convolution(f"{name}.2", below, width, 1)


def mobilenet_v1_lite_shapes():
    shapes = mobilenet_v1("base_net")
    for level, (below, squeeze, width) in enumerate(
        ((1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256))
    ):
        shapes |= convolution(f"extras.{level}.0", below, squeeze, 1)
        shapes |= bare_separable(f"extras.{level}.2", squeeze, width)
    for name, width in ((LOGITS, 21), (OFFSETS, 4)):
        for level, below in enumerate((512, 1024, 512, 256, 256)):
            shapes |= bare_separable(f"{name}.{level}", below, 6 * width)
        shapes |= convolution(f"{name}.5", 256, 6 * width, 1)
    return shapes


def mobilenet_v2_shapes(*, columns=21):
    full, first = ("0", "1", "3", "4", "6", "7"), ("0", "1", "3", "4")
    channels = (576, 1280, 512, 256, 256, 64)
    return {
        **mobilenet_v2("base_net", full, first),
        **inverted_extras("extras", full),
        **separable_heads(LOGITS, columns, channels),
        **separable_heads(OFFSETS, 4, channels),
    }


def saved(tmp_path, state):
    path = tmp_path / "detector.pth"
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("shapes", "raw_pixels", "expected"),
    [
        pytest.param(vgg16_shapes(), True, VGG16, id="vgg16-ssd"),
        pytest.param(mobilenet_v1_shapes(), False, MOBILENET_V1, id="mb1-ssd"),
        pytest.param(mobilenet_v1_lite_shapes(), False, MOBILENET_V1_LITE, id="mb1-ssd-lite"),
        pytest.param(mobilenet_v2_shapes(), False, MOBILENET_V2_LITE, id="mb2-ssd-lite"),
    ],
)
def test_outputs_and_boxes_are_those_of_its_own_code(tmp_path, shapes, raw_pixels, expected):
    path = saved(tmp_path, weights(shapes, raw_pixels=raw_pixels))
    detector = detector_from(read_qfgaohao(path), str(path))
    assert list(figures(detector).numbers()) == pytest.approx(list(expected.numbers()), abs=1e-4)


def test_a_file_from_before_batches_were_counted_loads(tmp_path):
    state = weights(mobilenet_v2_shapes(), raw_pixels=False)
    older = {key: t for key, t in state.items() if not key.endswith("num_batches_tracked")}
    path = saved(tmp_path, older)
    assert len(detector_from(read_qfgaohao(path), str(path)).priors_cxcywh_unit) == 3000


@pytest.mark.parametrize("file", ["labels.txt", "voc-model-labels.txt"])
def test_names_come_from_the_labels_beside_it_without_the_background(tmp_path, file):
    (tmp_path / file).write_text("BACKGROUND\nbolt\nnut\n")
    path = saved(tmp_path, hollow(mobilenet_v1_shapes(columns=3)))
    assert read_qfgaohao(path).class_names == ("bolt", "nut")


def test_labels_of_another_number_are_of_another_detector(tmp_path):
    (tmp_path / "labels.txt").write_text("BACKGROUND\nbolt\nnut\n")
    path = saved(tmp_path, hollow(mobilenet_v1_shapes(columns=4)))
    assert read_qfgaohao(path).class_names == ("class 1", "class 2", "class 3")


def test_thresholds_and_pixels_are_its_own(tmp_path):
    model = read_qfgaohao(saved(tmp_path, hollow(mobilenet_v2_shapes(columns=4)))).recipe.model
    results = model.results
    assert (results.score_threshold, results.iou_threshold, results.top_k) == (0.01, 0.45, 200)
    assert results.keep == 3 * 200
    assert model.pixels is not None
    assert (model.pixels.mean, model.pixels.std) == ((127,) * 3, (128,) * 3)
    assert model.resize == "opencv"


def test_squeezenet_is_refused_with_what_is_known(tmp_path):
    state = hollow(convolution("base_net.3.squeeze", 64, 16, 1) | {f"{LOGITS}.5.weight": (1,)})
    with pytest.raises(ModelError, match=r"detector\.pth: no vgg16-ssd, mb1-ssd, .*imported"):
        read_qfgaohao(saved(tmp_path, state))


def test_a_narrower_mobilenet_v2_is_refused(tmp_path):
    state = hollow(mobilenet_v2_shapes()) | {"base_net.1.conv.0.weight": torch.zeros(16, 1, 3, 3)}
    with pytest.raises(ModelError, match=r"mb2-ssd-lite \(of width 1\)"):
        read_qfgaohao(saved(tmp_path, state))


def test_a_missing_layer_is_named(tmp_path):
    state = hollow(mobilenet_v1_lite_shapes())
    del state["extras.0.2.2.bias"]
    with pytest.raises(ModelError, match=r"lacks 'extras\.0\.2\.2\.bias'.*mb1-ssd-lite"):
        read_qfgaohao(saved(tmp_path, state))


def test_it_is_recognised_by_the_names_of_its_tensors():
    for shapes in (vgg16_shapes(), mobilenet_v1_lite_shapes(), mobilenet_v2_shapes()):
        assert is_qfgaohao(hollow(shapes))
        assert not is_lufficc(hollow(shapes))


def test_a_face_detector_of_the_same_layout_has_fewer_levels():
    state = hollow(convolution("base_net.0.0", 3, 16, 3) | convolution(f"{LOGITS}.3", 1, 6, 3))
    assert not is_qfgaohao(state)
