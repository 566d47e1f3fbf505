import pytest
from oracle.darknet_cfgs import V2, V3

from singleshot.errors import ModelError
from singleshot.importers.recognise import import_weights


@pytest.mark.parametrize(
    ("cfg", "before", "after", "message"),
    [
        (V2, "[maxpool]", "[avgpool]", r"line \d+: \[avgpool\] cannot be imported"),
        (V2, "filters=4\n", "", r"line 7: \[convolutional\] lacks filters"),
        (V2, "batch=1", "batch=1\nletter_box=1", r"line 3: \[net\] has 'letter_box'"),
        (V2, "pad=1", "padding=9", "has padding = 9; expected half"),
        (V2, "filters=4", "filters=40000", "has an output of 40000 channels"),
        (V2, "activation=leaky", "activation=mish", "activation = 'mish', which cannot be"),
        (V2, "size=3", "dilation=2", "has 'dilation', which cannot be imported"),
        (V2, "layers=-4", "layers=-40", "names layer -40, which is not above it"),
        (V2, "layers=-1,-4", "layers=-1,2", "joins maps of different sizes"),
        (V3, "from=-3", "from=-4", "adds a map of 4 channels to one of 6"),
        (V3, "layers = -4", "layers = -1", "names layer -1, which is a prediction"),
    ],
)
def test_a_layer_that_cannot_be_imported_names_its_line(cfg, before, after, message, files):
    assert before in cfg
    path = files(cfg.replace(before, after, 1), like=cfg)
    with pytest.raises(ModelError, match=message):
        import_weights(path, "darknet")


def test_a_network_too_large_for_any_memory_is_refused_at_once(files):
    path = files(V2.replace("filters=12\nsize=3", "filters=65536\nsize=4097"), like=V2)
    with pytest.raises(ModelError, match=r"tiny\.(cfg|weights)"):
        import_weights(path, "darknet")
