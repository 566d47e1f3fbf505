from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from singleshot.errors import DataError
from singleshot.evaluation.predictions import json_stream, load_predictions
from singleshot.evaluation.predictions.json_stream import JsonStream, open_json_stream

ENTRY = {"image_id": 7, "category_id": 2, "bbox": [1.5, 2.5, 3.5, 4.5], "score": 0.5}

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)
few = settings(max_examples=40, deadline=None)


def pieces(text: str) -> JsonStream:
    return JsonStream(io.StringIO(text), Path("a.json"))


def read_list(text: str) -> list[object]:
    document = pieces(text)
    items = [item for batch in document.batches() for item in batch]
    document.finish()
    return items


@pytest.fixture
def windows_of(monkeypatch):
    """Read so many characters at once."""

    def use(length: int) -> None:
        monkeypatch.setattr(json_stream, "CHUNK", length)

    return use


@pytest.mark.parametrize("length", [1, 7, 50])
@few
@given(items=some.lists(values), indent=some.sampled_from([None, 0, 3]))
def test_a_list_is_read_as_json_reads_it(length, items, indent):
    text = json.dumps(items, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", length)
        assert read_list(f" {text}\n") == items


@few
@given(
    items=some.dictionaries(
        some.text(), some.lists(values, max_size=4) | some.integers(), max_size=4
    )
)
def test_an_object_is_read_member_by_member(items):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", 5)
        document = pieces(json.dumps(items))
        found = {}
        for key in document.members():
            if document.next_character() == "[":
                found[key] = [item for batch in document.batches() for item in batch]
            else:
                found[key] = document.value()
        document.finish()
    assert found == items


@pytest.mark.parametrize("length", [5, 1000])
def test_truncated_text_is_an_error_with_its_place(windows_of, length):
    windows_of(length)
    text = json.dumps([ENTRY] * 3)
    for end in range(1, len(text)):
        with pytest.raises(DataError, match=r"a\.json: is no JSON, or only a part of it: entry \d"):
            read_list(text[:end])
    with pytest.raises(DataError, match=r"entry 2, character 191: .*; write the file anew"):
        read_list(text[:191])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1 2]", "entry 0, character 2: expected ',' or ']'"),
        ("[1,]", "entry 1, character 3: Expecting value"),
        ("[1] [2]", "entry 1, character 4: continues after its end"),
        ('["a": 1]', "expected ',' or ']'"),
        ("[" + "9" * 5000 + "]", "entry 0, character 1: Exceeds the limit"),
    ],
)
def test_wrong_text_is_an_error_with_its_place(text, message):
    with pytest.raises(DataError, match=message.replace("[", r"\[").replace("]", r"\]")):
        read_list(text)


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    (tmp_path / "a.json").write_bytes(b'["\xff"]')
    with (
        pytest.raises(DataError, match="is no text in UTF-8"),
        open_json_stream(tmp_path / "a.json") as a,
    ):
        list(a.batches())


def test_an_item_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(json_stream, "LONGEST_ITEM", 10_000)
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    text = io.StringIO('[{"a": [' + "1, " * 100_000)
    with pytest.raises(DataError, match="entry 0"):
        list(JsonStream(text, Path("a.json")).batches())
    assert text.tell() < 50_000


def test_one_long_line_takes_little_more_memory_than_its_numbers(dataset, tmp_path, windows_of):
    """10,000 entries are 560 kB of numbers; `json.load` takes 11 MB for them."""
    windows_of(10_000)
    file = tmp_path / "found.json"
    entries = [ENTRY | {"score": number / 10_000} for number in range(10_000)]
    file.write_text(json.dumps(entries))
    del entries
    tracemalloc.start()
    loaded = load_predictions(file, dataset)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(loaded.predictions) == 10_000
    assert peak < 2e6
