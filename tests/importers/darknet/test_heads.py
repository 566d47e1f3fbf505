import pytest
from oracle.darknet_cfgs import V1, V2, V3

from singleshot.errors import ModelError
from singleshot.importers.recognise import import_weights


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
        (V2, "filters=14", "filters=15", r"filters = 15, the \[region\] below needs 2 anchors"),
        (V2, "0.6,0.8", "0.6", "anchors with 3 numbers; expected 4"),
        (V2, "0.6,0.8", "0.6,-1", "expected 4 above 0"),
        (V2, "coords=4", "coords=5", "coords = '5'"),
        (V2, "softmax=1", "softmax=1\nbackground=1", "background = '1', which cannot be imported"),
        (V3, "mask = 0,1", "mask = 0,9", "has 4 anchors, but its mask names number 9"),
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
def test_a_prediction_that_cannot_be_imported_names_its_line(cfg, before, after, message, files):
    assert before in cfg
    path = files(cfg.replace(before, after, 1), like=cfg)
    with pytest.raises(ModelError, match=message):
        import_weights(path, "darknet")
