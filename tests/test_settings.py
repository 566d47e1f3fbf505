"""Tables of a recipe are frozen and refuse unknown keys."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from singleshot.settings import ByKind, Count, Fraction, Range, Settings


class Bolt(Settings):
    kind: str = "bolt"
    length: Count = 1


class Nut(Settings):
    kind: str = "nut"
    share: Fraction = 0.5


class Kind:
    def __init__(self, kind: str, settings: type[Settings]) -> None:
        self.kind, self.settings = kind, settings


KINDS = (Kind("bolt", Bolt), Kind("nut", Nut))


class Table(Settings):
    part: Annotated[Settings, ByKind(lambda: KINDS, default="bolt")]
    scale: Range = (0.5, 1.0)


def test_a_table_is_frozen_and_closed():
    table = Bolt()
    with pytest.raises(ValidationError, match="frozen"):
        table.length = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Bolt.model_validate({"width": 1})
    with pytest.raises(ValidationError, match="finite"):
        Nut.model_validate({"share": float("nan")})


def test_the_kind_chooses_the_class_of_a_table():
    assert Table.model_validate({"part": {"kind": "nut"}}).part == Nut()
    assert Table.model_validate({"part": {"length": 3}}).part == Bolt(length=3)
    assert Table(part=Nut(share=1)).part == Nut(share=1)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"kind": "screw"}, "there are bolt, nut"),
        ({"length": 0}, "greater than or equal"),
        (1, "table"),
    ],
)
def test_a_wrong_table_is_refused(part, message):
    with pytest.raises(ValidationError, match=message):
        Table.model_validate({"part": part})


def test_the_kind_is_required_without_a_default():
    with pytest.raises(ValidationError, match="Field required"):
        ByKind(lambda: KINDS).validate({"length": 1})
