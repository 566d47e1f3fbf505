"""Suffixes of image files."""

from functools import cache

__all__ = ["image_suffixes", "suffix_of"]

# Formats that Pillow recognises, and needs another program or library to decode.
_NOT_DECODED = frozenset(("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"))

_BEGINNINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp"}


def suffix_of(content: bytes, default: str) -> str:
    """Choose the suffix of an image file by its first four bytes."""
    found = (suffix for mark, suffix in _BEGINNINGS.items() if content.startswith(mark))
    return next(found, default)


@cache
def image_suffixes() -> frozenset[str]:
    """List the suffixes of the formats that Pillow opens, in lower case and with their dot."""
    from PIL import Image  # noqa: PLC0415 (`--help` does not wait for it)

    of_suffix = Image.registered_extensions()
    readable = Image.OPEN.keys() - _NOT_DECODED
    return frozenset(suffix for suffix, kind in of_suffix.items() if kind in readable)
