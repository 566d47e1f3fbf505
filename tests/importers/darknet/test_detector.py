# Tests singleshot/backbones/darknet_weights.py

import re
import struct

import numpy as np
import pytest
from oracle.darknet_cfgs import V2, V3
from oracle.darknet_rules import numbers_for

from singleshot.errors import ModelError
from singleshot.importers.recognise import detect_weight_kind, import_weights


@pytest.mark.parametrize("kind", ["weights", "cfg"])
def test_either_file_is_recognised_and_finds_the_other(kind, files):
    path = files(V2).with_suffix(f".{kind}")
    assert detect_weight_kind(path) == "darknet"
    checkpoint = import_weights(path, "darknet")
    assert checkpoint.recipe.model.kind == "yolo-v2"
    assert checkpoint.recipe.model.input == (64, 96)
    assert checkpoint.class_names == ("class 1", "class 2")


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


@pytest.mark.parametrize(
    ("cfg", "before", "after", "message"),
    [
        (V2, "filters=4", "filters=65537", "expected a number from 1 to 65536"),
        (V2, "height=64", "height=65536", "expected 4096 at most"),
        (V2, "channels=3", "channels=1", "not of three channels"),
    ],
)
def test_an_input_that_cannot_be_imported_names_its_line(cfg, before, after, message, files):
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


def test_a_file_that_is_missing_is_named(files):
    path = files(V2)
    path.with_suffix(".cfg").unlink()
    with pytest.raises(ModelError, match=r"tiny\.cfg must be beside it"):
        import_weights(path, "darknet")
