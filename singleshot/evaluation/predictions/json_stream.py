"""JSON read in pieces: a list of any length takes the memory of a few thousand items.

The decoder of the standard library works on a window of the text that moves along. `json.load`
would hold the text and all objects at once: 5.4 GB for a file of 1 GB, which take 1.3 GB here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOBase
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any

from singleshot.errors import DataError

__all__ = ["JsonStream", "open_json_stream"]

CHUNK = 1 << 20  # characters that are read at once
LONGEST_TEXT = 1 << 16  # characters of one string or number; what breaks off later is broken
LONGEST_ITEM = 1 << 26  # characters of one item of a list: an image with 600,000 detections
SPACE = re.compile(r"[ \t\n\r]*")
SEPARATOR = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")


@contextmanager
def open_json_stream(path: Path) -> Iterator[JsonStream]:
    """Open a file; DataError when it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield JsonStream(file, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error.reason}); export it anew") from None


class JsonStream:
    """A JSON document, read from its beginning to its end.

    Every method raises DataError, with the place, where the document is broken or cut short.
    """

    def __init__(self, file: TextIOBase, path: Path) -> None:
        self.file = file
        self.path = path
        self.window = ""  # of the text; all before `position` is read
        self.position = 0
        self.num_left_behind = 0  # characters before the window
        self.num_items = 0  # of the list that is being read, so far
        self.decode = JSONDecoder().raw_decode

    def next_character(self) -> str:
        """Peek at the next character after blanks; "" at the end."""
        self.skip_blanks()
        while self.position == len(self.window) and self.read_more():
            pass
        return self.window[self.position : self.position + 1]

    def members(self) -> Iterator[str]:
        """Yield the keys of the next object; the caller reads the value after each."""
        self.take("{")
        while self.next_character() != "}":
            key = str(self.value())
            self.take(":")
            yield key
            if self.next_character() != "}":
                self.take(",")
        self.take("}")

    def value(self) -> Any:
        """Read the next value as a whole."""
        self.next_character()
        while True:
            try:
                value, end = self.decode(self.window, self.position)
            except (ValueError, RecursionError) as error:
                self.read_on(error)
                continue
            # A number that ends with the window may continue after it.
            if end < len(self.window) or not self.read_more():
                self.position = end
                return value

    def batches(self) -> Iterator[list[Any]]:
        """Yield the items of the next list, some at a time."""
        self.take("[")
        self.num_items = 0
        if self.next_character() == "]":
            self.take("]")
            return
        ended = False
        while not ended:
            items, ended = self.items_at_hand()
            self.num_items += len(items)
            if items:
                yield items

    def finish(self) -> None:
        """Raise DataError if anything but blanks follows."""
        if self.next_character():
            raise self.broken("continues after its end", self.position)

    def items_at_hand(self) -> tuple[list[Any], bool]:
        """Read the items in the window, perhaps none; True if the list ends with them."""
        items: list[Any] = []
        while True:
            try:
                item, end = self.decode(self.window, self.position)
                separator = SEPARATOR.match(self.window, end)
                if separator is None:
                    raise JSONDecodeError("expected ',' or ']'", self.window, end)
            except (ValueError, RecursionError) as error:
                if not items:
                    self.read_on(error)
                    items = self.items_at_once()
                return items, False
            else:
                items.append(item)
                self.position = separator.end()
                if separator[1] == "]":
                    return items, True

    def items_at_once(self) -> list[Any]:
        """Read the items up to the last "},", decoded together, which takes half the time.

        None where that is inside an item, or the list ends before: they are then taken singly.
        """
        end = self.window.rfind("},", self.position) + 1
        text = f"[{self.window[self.position : end]}]"
        try:
            items, length = self.decode(text)
        except (ValueError, RecursionError):
            return []
        if not items or length < len(text):
            return []
        self.position = end + 1
        self.skip_blanks()
        return list(items)

    def take(self, character: str) -> None:
        """Skip this character, which must come next."""
        if self.next_character() != character:
            raise self.broken(f"expected {character!r}", self.position)
        self.position += 1

    def skip_blanks(self) -> None:
        """Move to what is not blank, or to the end of the window."""
        blanks = SPACE.match(self.window, self.position)
        assert blanks is not None
        self.position = blanks.end()

    def read_on(self, error: ValueError | RecursionError) -> None:
        """Read on if the text merely broke off at the end of the window, else raise DataError."""
        place = error.pos if isinstance(error, JSONDecodeError) else self.position
        near_the_end = len(self.window) - place <= LONGEST_TEXT
        may_continue = near_the_end and len(self.window) - self.position <= LONGEST_ITEM
        if isinstance(error, RecursionError):
            raise self.broken("brackets within brackets without end", place) from None
        if not (may_continue and self.read_more()):
            message = error.msg if isinstance(error, JSONDecodeError) else str(error)
            raise self.broken(message, place) from None

    def read_more(self) -> bool:
        """Move the window on, over as much again as is pending; False at the end of the file."""
        more = self.file.read(max(CHUNK, len(self.window) - self.position))
        if more:
            self.num_left_behind += self.position
            self.window = self.window[self.position :] + more
            self.position = 0
            self.skip_blanks()
        return bool(more)

    def broken(self, message: str, place: int) -> DataError:
        """Name the character and, of a list, the item."""
        character = self.num_left_behind + place
        return DataError(
            f"{self.path}: is no JSON, or only a part of it: entry {self.num_items}, "
            f"character {character}: {message}; write the file anew"
        )
