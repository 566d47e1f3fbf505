import pytest

from singleshot.data.formats.xml_files import (
    format_pixels,
    has_root,
    read_pixels,
    read_root,
)
from singleshot.errors import DataError


def test_the_root_may_have_attributes_and_follow_a_declaration(tmp_path):
    xml = tmp_path / "a.xml"
    xml.write_text("<?xml version='1.0'?>\n<annotation verified='yes'><a/></annotation>")
    assert has_root(xml, "annotation")
    assert not has_root(xml, "annotations")
    assert read_root(xml, "annotation").tag == "annotation"
    with pytest.raises(DataError, match=r"a\.xml: opens with <annotation>; expected <dataset>"):
        read_root(xml, "dataset")


@pytest.mark.parametrize(("text", "stated"), [(None, "missing"), ("x", "'x'"), ("inf", "'inf'")])
def test_a_coordinate_must_be_a_number(text, stated):
    assert read_pixels("1.5", "xmin", "a.xml: object 1") == 1.5
    with pytest.raises(DataError, match=f"a.xml: object 1: xmin is {stated}; expected a number"):
        read_pixels(text, "xmin", "a.xml: object 1")


def test_whole_pixels_are_written_without_a_point():
    assert [format_pixels(value) for value in (3.0, 2.5)] == ["3", "2.5"]
