"""Kinds of ports are distinct, and what is missing from a file is named."""

import pytest
import torch
from port_files import hollow, inverted_extras, separable_heads, vgg16

from singleshot.errors import ModelError
from singleshot.importers.pytorch_ports import (
    QFGAOHAO_BLOCKS,
    rename_alternating_extras,
    rename_inverted_extras,
    rename_plain_extras,
    rename_separable_heads,
    rename_vgg16,
)
from singleshot.importers.renaming import Renaming


def renaming_of(shapes):
    return Renaming(hollow(shapes), "a file", "port")


def test_vgg16_has_fifteen_convolutions():
    weights = renaming_of(vgg16("vgg"))
    rename_vgg16(weights, "vgg")
    names = weights.finish()
    assert len(names) == 2 * 15
    assert {"backbone.features.0.weight", "backbone.fc.1.weight", "backbone.fc.3.bias"} <= set(
        names
    )


def test_extra_levels_in_one_list_and_one_by_one_get_the_same_names():
    layers = {f"{name}.{part}": (1,) for name in range(4) for part in ("weight", "bias")}
    in_one_list = renaming_of({f"extras.{name}": shape for name, shape in layers.items()})
    rename_alternating_extras(in_one_list, "extras", num_extra=2)
    one_by_one = renaming_of(
        {
            f"extras.{n // 2}.{2 * (n % 2)}.{part}": (1,)
            for n in range(4)
            for part in ("weight", "bias")
        }
    )
    rename_plain_extras(one_by_one, "extras", num_extra=2)
    assert in_one_list.finish().keys() == one_by_one.finish().keys()


def test_inverted_extra_levels_and_separable_heads_use_every_tensor():
    full = ("0", "1", "3", "4", "6", "7")
    channels = (576, 1280, 512, 256, 256, 64)
    weights = renaming_of(
        inverted_extras("extras", full)
        | separable_heads("logits", 21, channels)
        | separable_heads("offsets", 4, channels)
    )
    rename_inverted_extras(weights, "extras", QFGAOHAO_BLOCKS)
    rename_separable_heads(weights, "logits", "offsets")
    assert weights.num_classes(5) == 20
    assert "pyramid.extra.3.2.1.weight" in weights.finish()


def test_a_missing_layer_is_named():
    state = hollow(vgg16("vgg"))
    del state["vgg.33.bias"]
    with pytest.raises(
        ModelError, match=r"a file lacks 'vgg\.33\.bias', so it is no complete port"
    ):
        rename_vgg16(Renaming(state, "a file", "port"), "vgg")


def test_no_tensor_may_be_left():
    weights = renaming_of(vgg16("vgg"))
    rename_vgg16(weights, "vgg")
    weights.theirs["more"] = torch.zeros(1)
    with pytest.raises(ModelError, match="has 'more', which no port has"):
        weights.finish()
