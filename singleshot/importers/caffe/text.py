"""Protocol buffers as text: the content of a prototxt."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from singleshot.errors import ModelError

__all__ = ["Message", "read_prototxt"]

TOKEN = re.compile(
    r"""(?P<text>"[^"\n]*"|'[^'\n]*')|(?P<mark>[{}<>\[\]:;,])|(?P<word>[^\s\#"'{}<>\[\]:;,]+)"""
)


class _Token(NamedTuple):
    """A word, a quoted text or a mark of a prototxt."""

    text: str
    line: int
    is_mark: bool


@dataclass
class Message:
    """Values under their names; a name may have several."""

    place: str  # for errors: the file and the line where it begins
    values: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, list["Message"]] = field(default_factory=dict)

    def all(self, key: str) -> list["Message"]:
        """Return the messages of this name."""
        return self.messages.get(key, [])

    def only(self, key: str) -> "Message":
        """Return the last message of this name, or an empty one."""
        return self.all(key)[-1] if key in self.messages else Message(self.place)

    def texts(self, key: str) -> list[str]:
        """Return the values of this name, as written but for quotes."""
        return self.values.get(key, [])

    def text(self, key: str, default: str = "") -> str:
        """Return the last value of this name."""
        return self.texts(key)[-1] if key in self.values else default

    def numbers(self, key: str) -> list[float]:
        """Return the values of this name; raises ModelError for one that is not a number."""
        try:
            return [float(text) for text in self.texts(key)]
        except ValueError as error:
            raise ModelError(f"{self.place}: {key} is not a number: {error}") from error

    def number(self, key: str, default: float) -> float:
        """Return the last value of this name."""
        return (self.numbers(key) or [default])[-1]

    def flag(self, key: str, *, default: bool) -> bool:
        """Return the last value of this name, true or false."""
        return self.text(key, "true" if default else "false") in {"true", "True", "t", "1"}


def read_prototxt(path: Path) -> Message:
    """Parse a prototxt; raises ModelError if it is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not readable as a prototxt: {error}") from error
    found = _tokens(lines, path)
    try:
        message = _message_from(found, path, line=1, end="")
    except StopIteration as error:
        raise ModelError(f"{path} ends in the middle of a message; is it cut off?") from error
    return message


def _tokens(lines: list[str], path: Path) -> Iterator[_Token]:
    for number, line in enumerate(lines, start=1):
        place = 0
        while (rest := line[place:].lstrip()) and not rest.startswith("#"):
            place = len(line) - len(rest)
            match = TOKEN.match(line, place)
            if match is None:
                raise ModelError(f"{path}, line {number}: a quote is open: {rest}")
            yield _Token(match[0].strip("\"'"), number, match.lastgroup == "mark")
            place = match.end()


def _message_from(found: Iterator[_Token], path: Path, *, line: int, end: str) -> Message:
    """Parse names with their values up to the closing bracket, or the end of the file."""
    message = Message(f"{path}, line {line}")
    while (token := _next_token(found, end)).text != end or not token.is_mark:
        if token.is_mark and token.text in {";", ","}:
            continue
        if token.is_mark:
            raise ModelError(f"{path}, line {token.line}: {token.text!r} where a name should be")
        value = next(found)
        if value.is_mark and value.text == ":":
            value = next(found)
        _put(message, token.text, value, found, path)
    return message


def _next_token(found: Iterator[_Token], end: str) -> _Token:
    """Return the next token; the end of the file is an empty one if no bracket is open."""
    return next(found) if end else next(found, _Token("", 0, is_mark=True))


def _put(message: Message, key: str, value: _Token, found: Iterator[_Token], path: Path) -> None:
    """Add a value, which may be a message or a list."""
    if not value.is_mark:
        message.values.setdefault(key, []).append(value.text)
    elif value.text in {"{", "<"}:
        end = "}" if value.text == "{" else ">"
        inner = _message_from(found, path, line=value.line, end=end)
        message.messages.setdefault(key, []).append(inner)
    elif value.text == "[":
        while (item := next(found)).text != "]":
            if item.text != ",":
                _put(message, key, item, found, path)
    else:
        raise ModelError(f"{path}, line {value.line}: {value.text!r} where {key}'s value should be")
