"""Broken files of Darknet, and networks that ours cannot be, are refused in a sentence."""

import re
import struct

import numpy as np
import pytest
from oracle.darknet_cfgs import V1, V2, V3
from oracle.darknet_rules import numbers_for, write_weights

from singleshot.errors import ModelError
from singleshot.importers.darknet.cfg import read_cfg
from singleshot.importers.recognise import detect_weight_kind, import_weights


@pytest.fixture
def files(tmp_path):
    """Writes a cfg and weights that fit it, or others; gives the path of the weights."""

    def write(cfg, like=None, **header):
        (tmp_path / "tiny.cfg").write_text(cfg)
        numbers = numbers_for(like or cfg, np.random.default_rng(0))
        write_weights(tmp_path / "tiny.weights", numbers, **header)
        return tmp_path / "tiny.weights"

    return write


def test_sections_have_lines_and_spaces_mean_nothing(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text("# a\n[net]\n width = 64\n\n; b\n[conv]\nfilters= 3 2\n")
    net, convolution = read_cfg(path)
    assert (net.kind, net.line, net.integer("width")) == ("net", 2, 64)
    assert (convolution.kind, convolution.line, convolution.integer("filters")) == (
        *("convolutional", 6, 32),
    )


@pytest.mark.parametrize("kind", ["weights", "cfg"])
def test_either_file_is_recognised_and_finds_the_other(kind, files):
    path = files(V2).with_suffix(f".{kind}")
    assert detect_weight_kind(path) == "darknet"
    checkpoint = import_weights(path, "darknet")
    assert checkpoint.recipe.model.kind == "yolo-v2"
    assert checkpoint.recipe.model.input == (64, 96)
    assert checkpoint.class_names == ("class 1", "class 2")


def test_an_option_may_stand_twice_if_it_says_the_same(files):
    assert import_weights(files(V2.replace("batch=1", "batch=1\nbatch=1")), "darknet")


def test_names_beside_them_are_the_classes(files):
    path = files(V3)
    path.with_suffix(".names").write_text("red cell\nwhite cell\nplatelet\n")
    assert import_weights(path, "darknet").class_names == ("red cell", "white cell", "platelet")
    path.with_suffix(".names").write_text("red cell\n")
    with pytest.raises(ModelError, match=r"has 3 classes, .*tiny\.names has 1 names"):
        import_weights(path, "darknet")


@pytest.mark.parametrize(
    "header",
    [{}, {"version": (0, 1, 0), "seen": "<i"}, {"version": (0, 2, 5), "seen": "<q"}],
    ids=["0.2", "0.1", "0.2.5"],
)
def test_both_headers_are_read(header, files):
    checkpoint = import_weights(files(V2, **header), "darknet")
    first = numbers_for(V2, np.random.default_rng(0))
    np.testing.assert_array_equal(
        checkpoint.weights["backbone.layers.0.norm.bias"].numpy(), first[0]
    )
    np.testing.assert_array_equal(checkpoint.weights["head.bias"].numpy(), first[-2])


def test_a_tree_makes_it_yolo9000(files):
    cfg = V2.replace("softmax=1", "softmax=1\ntree=data/two.tree")
    path = files(cfg, like=V2)
    path.with_name("two.tree").write_text("animal -1\ncat 0\n")
    checkpoint = import_weights(path, "darknet")
    assert checkpoint.recipe.model.kind == "yolo9000"
    assert checkpoint.recipe.model.tree == ("animal -1", "cat 0")
    assert checkpoint.class_names == ("animal", "cat")


@pytest.mark.parametrize(
    ("cfg", "before", "after", "message"),
    [
        (V2, "[net]\n", "", "line 1.*expected a \\[section\\]"),
        (V2, "[maxpool]", "[avgpool]", r"line \d+: \[avgpool\] cannot be imported"),
        (V2, "filters=4", "filters=four", r"line 9: .*filters = 'four'; expected a whole number"),
        (V2, "filters=4", "filters=99999999999999999999", "expected a whole number"),
        (V2, "filters=4", "filters=65537", "expected a number from 1 to 65536"),
        (V2, "filters=4\n", "", r"line 7: \[convolutional\] lacks filters"),
        (
            V2,
            "filters=4",
            "filters=4\nfilters=5",
            "line 10: 'filters' occurs twice in its section, with",
        ),
        (V2, "batch=1", "batch=1\nletter_box=1", r"line 3: \[net\] has 'letter_box'"),
        (V2, "pad=1", "padding=9", "has padding = 9; expected half"),
        (V2, "filters=4", "filters=40000", "has an output of 40000 channels"),
        (V2, "activation=leaky", "activation=mish", "activation = 'mish', which cannot be"),
        (V2, "size=3", "dilation=2", "has 'dilation', which cannot be imported"),
        (V2, "filters=14", "filters=15", r"filters = 15, the \[region\] below needs 2 anchors"),
        (V2, "0.6,0.8", "0.6,nan", "anchors = 'nan'; expected a number"),
        (V2, "0.6,0.8", "0.6", "anchors with 3 numbers; expected 4"),
        (V2, "0.6,0.8", "0.6,-1", "expected 4 above 0"),
        (V2, "layers=-4", "layers=-40", "names layer -40, which is not above it"),
        (V2, "layers=-1,-4", "layers=-1,2", "joins maps of different sizes"),
        (V2, "coords=4", "coords=5", "coords = '5'"),
        (V2, "softmax=1", "softmax=1\nbackground=1", "background = '1', which cannot be imported"),
        (V2, "height=64", "height=65536", "expected 4096 at most"),
        (V2, "channels=3", "channels=1", "not of three channels"),
        (V3, "from=-3", "from=-4", "adds a map of 4 channels to one of 6"),
        (V3, "mask = 0,1", "mask = 0,9", "has 4 anchors, but its mask names number 9"),
        (V3, "layers = -4", "layers = -1", "names layer -1, which is a prediction"),
        (V1, "[local]\nsize=3", "[local]\nsize=5", r"\[local\] has size = '5'"),
        (
            V1,
            "output=68",
            "output=67",
            r"line \d+: \[connected\] has another output than 2 × 2",
        ),
        (V1, "sqrt=1", "sqrt=0", "sqrt = '0'"),
    ],
)
def test_a_cfg_that_cannot_be_imported_names_its_line(cfg, before, after, message, files):
    assert before in cfg
    path = files(cfg.replace(before, after, 1), like=cfg)
    with pytest.raises(ModelError, match=message):
        import_weights(path, "darknet")


@pytest.mark.parametrize("kept", [0, 3, 11, 12, 19, 20, 21, 200, -4, -1])
def test_weights_that_are_cut_off_are_refused(kept, files):
    path = files(V2)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"tiny\.weights"):
        import_weights(path, "darknet")


def test_weights_that_are_too_long_are_refused(files):
    path = files(V2)
    path.write_bytes(path.read_bytes() + bytes(64))
    with pytest.raises(ModelError, match="damaged, or of another network"):
        import_weights(path, "darknet")


def test_weights_of_another_version_or_with_values_that_are_none_are_refused(files):
    path = files(V2)
    content = path.read_bytes()
    path.write_bytes(struct.pack("<3i", 7, 7, 7) + content[12:])
    with pytest.raises(ModelError, match=re.escape("7.7")):
        import_weights(path, "darknet")
    path.write_bytes(content[:-4] + struct.pack("<f", float("nan")))
    with pytest.raises(ModelError, match="damaged"):
        import_weights(path, "darknet")


def test_a_network_too_large_for_any_memory_is_refused_at_once(files):
    path = files(V2.replace("filters=12\nsize=3", "filters=65536\nsize=4097"), like=V2)
    with pytest.raises(ModelError, match=r"tiny\.(cfg|weights)"):
        import_weights(path, "darknet")


def test_any_bytes_at_all_are_refused(files):
    path, random = files(V2), np.random.default_rng(0)
    for size in (0, 1, 100, 5000):
        path.with_suffix(".cfg").write_bytes(random.bytes(size))
        with pytest.raises(ModelError, match=r"tiny\.cfg"):
            import_weights(path, "darknet")


def test_a_file_that_is_missing_is_named(files):
    path = files(V2)
    path.with_suffix(".cfg").unlink()
    with pytest.raises(ModelError, match=r"tiny\.cfg must be beside it"):
        import_weights(path, "darknet")
