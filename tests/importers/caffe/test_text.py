import pytest

from singleshot.errors import ModelError
from singleshot.importers.caffe.text import read_prototxt


def test_prototxt_has_nested_messages_lists_and_comments(tmp_path):
    path = tmp_path / "a.prototxt"
    path.write_text("name: 'a # b' # c\nlayer { pad: [1, 2] p < x: -1.5 > flag: true; }\nlayer: {}")
    net = read_prototxt(path)
    assert net.text("name") == "a # b"
    first, second = net.all("layer")
    assert first.numbers("pad") == [1, 2]
    assert first.only("p").number("x", 0) == -1.5
    assert first.flag("flag", default=False)
    assert second.number("pad", 7) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer { name: 'a'", "ends in the middle"),
        ("layer {\n } }", "line 2: '}' where a name"),
        ("name: }", "'}' where name's value"),
        ("name: 'a", "line 1: a quote is open"),
    ],
)
def test_broken_prototxts_are_refused(tmp_path, text, message):
    (tmp_path / "a.prototxt").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_prototxt(tmp_path / "a.prototxt")
