import pytest

from singleshot import errors
from singleshot.errors import RunFailed, SingleshotError, near_names, some_of

ERRORS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, SingleshotError)
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_impossible_request_exits_with_2_and_failed_work_with_1(error):
    assert error.exit_code == (1 if issubclass(error, RunFailed) else 2)


def test_the_tree_in_the_docstring_is_that_of_the_classes():
    tree = errors.__doc__ or ""
    assert all(f"{error.__name__} " in tree for error in ERRORS)


def test_a_message_has_six_names_at_most():
    assert some_of("abc") == "a, b, c"
    assert some_of("abcdef") == "a, b, c, d, e, f"
    assert some_of("abcdefgh") == "a, b, c, d, e, f and 2 more"


def test_near_names_are_joined_for_a_message():
    assert near_names("cart", ["dog", "cat", "car"]) in {"'cat' or 'car'", "'car' or 'cat'"}
    assert not near_names("zebra", ["dog", "cat"])
