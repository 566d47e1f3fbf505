"""TFRecord files: their records, and the message `Example` in a record.

A record is its length (64 bits, little-endian), the length's checksum, the payload and the
payload's checksum. A checksum is the CRC-32C, rotated and with a constant added, as
`tensorflow/core/lib/hash/crc32c.h` masks it.

`Example` (`tensorflow/core/example/feature.proto`) is a map from text to a list of bytes, of floats
or of integers: three messages and four kinds of field. Reading them here takes a page, and neither
TensorFlow (600 MB) nor protobuf with generated code.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from singleshot.errors import DataError

__all__ = ["Example", "Record", "Value", "encode_example", "encode_record", "read_records"]

Value = Sequence[bytes] | Sequence[float] | Sequence[int]

_HEAD = struct.Struct("<QI")  # length, its checksum
_CHECKSUM = struct.Struct("<I")
_GZIP = b"\x1f\x8b"
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5  # kinds of field
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3  # fields of Feature
_LONGEST_VARINT = 10  # bytes
_SIGN = 1 << 63

Span = tuple[int, int]  # from one byte of the payload to before another


class Record(NamedTuple):
    """A record of a file."""

    number: int  # from 1
    offset: int  # of the payload in the file
    payload: bytes


def read_records(path: Path) -> Iterator[Record]:
    """Read all records of a file.

    Raises:
        DataError: the file is cut short, compressed, no TFRecord, or a checksum is wrong.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        number = position = 0
        while head := file.read(_HEAD.size):
            number += 1
            length = _length_of(head, number, path)
            position += _HEAD.size
            if length + _CHECKSUM.size > size - position:
                there, whole = size - position, length + _CHECKSUM.size
                raise _damaged(path, number, f"is cut short, {there:,} of {whole:,} bytes")
            payload = file.read(length)
            if file.read(_CHECKSUM.size) != _checksum(payload):
                raise _damaged(path, number, "differs from its checksum")
            yield Record(number, position, payload)
            position += length + _CHECKSUM.size


def encode_record(payload: bytes) -> bytes:
    """Put a payload between its length and its checksum."""
    length = struct.pack("<Q", len(payload))
    return length + _checksum(length) + payload + _checksum(payload)


def _length_of(head: bytes, number: int, path: Path) -> int:
    """Read the length of a record from its first bytes, and check it."""
    if head.startswith(_GZIP) and number == 1:
        raise DataError(f"{path}: is compressed; unpack it first: gunzip")
    if len(head) < _HEAD.size:
        raise _damaged(path, number, f"is cut short, {len(head)} of {_HEAD.size} bytes")
    if head[8:] != _checksum(head[:8]):
        if number == 1:
            raise DataError(f"{path}: is no TFRecord, or damaged; copy or export it again")
        raise _damaged(path, number, "has a length that differs from its checksum")
    return int(_HEAD.unpack(head)[0])


def _damaged(path: Path, number: int, what: str) -> DataError:
    return DataError(f"{path}: record {number} {what}; copy the file again")


def _checksum(content: bytes) -> bytes:
    """Compute the masked CRC-32C."""
    crc = google_crc32c.value(content)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return _CHECKSUM.pack(masked)


class Example:
    """An `Example`, whose features are decoded when they are read."""

    def __init__(self, payload: bytes, place: str) -> None:
        """Find the features; DataError when the payload is no such message."""
        self.payload = payload
        self.place = place
        try:
            self.features = dict(self._entries())
        except (ValueError, IndexError):
            raise DataError(
                f"{place}: is no tf.train.Example; export it as the TensorFlow Object Detection "
                f"API does"
            ) from None

    def _entries(self) -> Iterator[tuple[str, Span]]:
        """Yield name and place of each feature: `Example.features.feature`, a map."""
        for features in self._inner((0, len(self.payload)), 1):
            for entry in self._inner(features, 1):
                names, values = list(self._inner(entry, 1)), list(self._inner(entry, 2))
                if names and values:
                    start, end = names[-1]
                    yield self.payload[start:end].decode(), values[-1]

    def _inner(self, span: Span, number: int) -> Iterator[Span]:
        """Yield the places of an inner message or text, by the number of its field."""
        for field, kind, place in _fields(self.payload, span):
            if field == number and kind == _DELIMITED:
                yield place

    def span(self, name: str) -> Span | None:
        """Find where in the payload the only bytes of a feature are."""
        spans = self._spans(name)
        return spans[0] if len(spans) == 1 else None

    def texts(self, name: str) -> list[str]:
        """Read the texts of a feature; none where there is no such feature."""
        return [self.payload[a:b].decode("utf-8", "replace") for a, b in self._spans(name)]

    def floats(self, name: str) -> list[float]:
        """Read the floats of a feature."""
        return [
            number
            for kind, (start, end) in self._list(name, _FLOATS)
            if kind in (_DELIMITED, _FIXED32)
            for number in self._unpack_floats(name, start, end)
        ]

    def integers(self, name: str) -> list[int]:
        """Read the integers of a feature."""
        numbers = []
        for kind, (start, end) in self._list(name, _INTEGERS):
            position = start if kind in (_DELIMITED, _VARINT) else end
            while position < end:
                number, position = self._checked_varint(name, position, end)
                numbers.append(number - 2 * _SIGN if number >= _SIGN else number)
        return numbers

    def _spans(self, name: str) -> list[Span]:
        return [place for kind, place in self._list(name, _BYTES) if kind == _DELIMITED]

    def _list(self, name: str, number: int) -> list[tuple[int, Span]]:
        """Find kind and place of the values of a feature, which must be of this type."""
        if name not in self.features:
            return []
        try:
            return [
                (kind, place)
                for values in self._inner(self.features[name], number)
                for field, kind, place in _fields(self.payload, values)
                if field == 1
            ]
        except (ValueError, IndexError):
            raise self._broken(name) from None

    def _unpack_floats(self, name: str, start: int, end: int) -> tuple[float, ...]:
        if (end - start) % 4:
            raise self._broken(name)
        return struct.unpack(f"<{(end - start) // 4}f", self.payload[start:end])

    def _checked_varint(self, name: str, start: int, end: int) -> tuple[int, int]:
        try:
            return _varint(self.payload, start, end)
        except ValueError:
            raise self._broken(name) from None

    def _broken(self, name: str) -> DataError:
        return DataError(f"{self.place}: the feature {name!r} is broken; export the file again")


def _fields(payload: bytes, span: Span) -> Iterator[tuple[int, int, Span]]:
    """Yield number, kind and place of each field of a message; ValueError when it is none."""
    position, end = span
    while position < end:
        key, position = _varint(payload, position, end)
        start, kind = position, key & 7
        if kind == _VARINT:
            _, position = _varint(payload, position, end)
        elif kind == _DELIMITED:
            length, start = _varint(payload, position, end)
            position = start + length
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("an unknown kind of field")
        if position > end:
            raise ValueError("a field that ends behind its message")
        yield key >> 3, kind, (start, position)


def _varint(payload: bytes, position: int, end: int) -> tuple[int, int]:
    """Read an integer of 7 bits a byte, the lowest first; returns it and the next position."""
    number = 0
    for index, byte in enumerate(payload[position : min(position + _LONGEST_VARINT, end)]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number & (2 * _SIGN - 1), position + index + 1
    raise ValueError("an integer without end")


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Encode an `Example`: lists of bytes, floats or integers by name; empty ones have no type."""
    entries = b"".join(
        _message(1, _message(1, name.encode()) + _message(2, _encode_feature(values)))
        for name, values in features.items()
        if values
    )
    return _message(1, entries)


def _encode_feature(values: Value) -> bytes:
    """Encode a `Feature`."""
    if isinstance(values[0], bytes):
        texts = (_message(1, one) for one in values if isinstance(one, bytes))
        return _message(_BYTES, b"".join(texts))
    if isinstance(values[0], int):
        packed = b"".join(_encode_varint(int(one)) for one in values)
        return _message(_INTEGERS, _message(1, packed))
    return _message(_FLOATS, _message(1, struct.pack(f"<{len(values)}f", *values)))


def _message(number: int, content: bytes) -> bytes:
    """Encode a field with a length."""
    return _encode_varint(number << 3 | _DELIMITED) + _encode_varint(len(content)) + content


def _encode_varint(number: int) -> bytes:
    number &= 2 * _SIGN - 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
