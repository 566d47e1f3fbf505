from html import escape

from singleshot.report.page import environment, format_rounded, format_whole


def test_numbers_have_three_significant_digits():
    assert [format_rounded(value) for value in (0.0123, 1.234, 12.34, 123.4, 12345.6, None)] == [
        "0.0123", "1.23", "12.3", "123", "12,346", "–",
    ]  # fmt: skip


def test_whole_numbers_have_commas():
    assert [format_whole(value) for value in (12345.6, 3, None)] == ["12,346", "3", "–"]


def test_what_is_in_backticks_is_code_and_nothing_else_is_markup():
    filled = environment().from_string("{{ text | code }}").render(text="add `--input HxW` to <b>")
    assert filled == f"add <code>--input HxW</code> to {escape('<b>')}"
