import numpy as np
import pytest
from oracle.darknet_cfgs import V2

from singleshot.errors import ModelError
from singleshot.importers.darknet.cfg import read_cfg
from singleshot.importers.recognise import import_weights


def test_sections_have_lines_and_spaces_mean_nothing(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text("# a\n[net]\n width = 64\n\n; b\n[conv]\nfilters= 3 2\n")
    net, convolution = read_cfg(path)
    assert (net.kind, net.line, net.integer("width")) == ("net", 2, 64)
    assert (convolution.kind, convolution.line, convolution.integer("filters")) == (
        *("convolutional", 6, 32),
    )


def test_an_option_may_occur_twice_with_the_same_value(files):
    assert import_weights(files(V2.replace("batch=1", "batch=1\nbatch=1")), "darknet")


@pytest.mark.parametrize(
    ("cfg", "before", "after", "message"),
    [
        (V2, "[net]\n", "", "line 1.*expected a \\[section\\]"),
        (V2, "filters=4", "filters=four", r"line 9: .*filters = 'four'; expected a whole number"),
        (V2, "filters=4", "filters=99999999999999999999", "expected a whole number"),
        (
            V2,
            "filters=4",
            "filters=4\nfilters=5",
            "line 10: 'filters' occurs twice in its section, with",
        ),
        (V2, "0.6,0.8", "0.6,nan", "anchors = 'nan'; expected a number"),
    ],
)
def test_a_broken_option_names_its_line(cfg, before, after, message, files):
    assert before in cfg
    path = files(cfg.replace(before, after, 1), like=cfg)
    with pytest.raises(ModelError, match=message):
        import_weights(path, "darknet")


def test_any_bytes_at_all_are_refused(files):
    path, random = files(V2), np.random.default_rng(0)
    for size in (0, 1, 100, 5000):
        path.with_suffix(".cfg").write_bytes(random.bytes(size))
        with pytest.raises(ModelError, match=r"tiny\.cfg"):
            import_weights(path, "darknet")
