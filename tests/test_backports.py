import json

from singleshot.backports import StrEnum, tomllib


class Colour(StrEnum):
    RED = "red"


def test_a_member_is_its_value_wherever_text_is_made():
    texts = [str(Colour.RED), f"{Colour.RED}", f"{Colour.RED:>3}", "%s" % Colour.RED, Colour("red")]  # noqa: UP031
    assert texts == ["red"] * 5
    assert json.dumps({Colour.RED: Colour.RED}) == '{"red": "red"}'


def test_toml_is_read():
    assert tomllib.loads("sides = [3, 4]") == {"sides": [3, 4]}
