from __future__ import annotations

import pytest

from singleshot.data.findings import KINDS, Findings, count_of
from singleshot.errors import DataError


def test_a_kind_is_counted_in_one_line_with_the_first_places():
    findings = Findings()
    for number in range(5):
        findings.add("without-area", f"cells/a{number} object 1")
    findings.add("merged", "b.jpg")
    assert findings.lines("cells") == [
        "dropped 5 boxes without area: a0 object 1, a1 object 1, a2 object 1 and 2 more",
        "joined the entries of 1 image listed more than once: b.jpg",
    ]


def test_one_error_is_its_own_message():
    findings = Findings()
    with findings.collect("a.json: annotation 3"):
        raise DataError("a.json: annotation 3: bbox = null; expected four numbers")
    with pytest.raises(DataError) as raised:
        findings.raise_errors("cells")
    assert str(raised.value) == (
        "a.json: annotation 3: bbox = null; expected four numbers; correct or remove it"
    )


def test_of_many_errors_each_kind_is_shown_and_the_others_are_counted():
    findings = Findings()
    for number in range(40):
        findings.add("entry", f"a.xml: object {number}", "has no <name>")
    findings.add("missing-image", "b.xml", "there is no image 'b'")
    with pytest.raises(DataError, match="cells: 41 errors") as raised:
        findings.raise_errors("cells")
    lines = str(raised.value).splitlines()
    assert len(lines) <= 14
    assert any("b.xml" in line for line in lines)
    assert lines[-1].startswith("  and ")


def test_what_an_error_adds_to_the_place_is_kept():
    findings = Findings()
    with findings.collect("a.xml: object 1"):
        raise DataError("a.xml: object 1 (cat): xmin is missing; expected a number")
    [found] = findings
    assert (found.place, found.detail) == (
        "a.xml: object 1 (cat)",
        "xmin is missing; expected a number",
    )


def test_another_exception_is_no_finding():
    with pytest.raises(ZeroDivisionError), Findings().collect("a.xml"):
        raise ZeroDivisionError


def test_errors_are_listed_with_what_else_was_found():
    findings = Findings()
    findings.add("entry", "a.xml: object 1", "has no <name>")
    findings.add("unreadable-image", "b.jpg", "is empty")
    with pytest.raises(DataError, match=r"besides: left out 1 image that cannot be read: b\.jpg"):
        findings.raise_errors("cells")


def test_changes_do_not_stop_unless_they_are_named():
    findings = Findings()
    findings.add("truncated-image", "a.jpg")
    findings.raise_errors("cells")
    with pytest.raises(DataError, match=r"a\.jpg"):
        findings.raise_errors("cells", ("truncated-image",))


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_kind_is_described_in_singular_and_plural(kind):
    assert "{" not in kind.describe(1) + kind.describe(2)


def test_nouns_follow_their_number():
    assert [count_of(1, noun) for noun in ("boxes", "images", "entries", "classes")] == [
        "1 box",
        "1 image",
        "1 entry",
        "1 class",
    ]
    assert count_of(1200, "boxes") == "1,200 boxes"
