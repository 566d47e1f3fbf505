"""Protocol buffers as bytes: the weights in a caffemodel.

The fields are numbered as in Caffe's `caffe.proto`. A file is read as data alone, by the wire
format's four kinds of value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from singleshot.errors import ModelError

__all__ = ["CaffeWeights", "Transform", "read_caffemodel"]

NET_LAYER, NET_OLD_LAYER = 100, 2
LAYER_NAME, LAYER_BLOBS, LAYER_TRANSFORM = 1, 7, 100
BLOB_OLD_SHAPE, BLOB_DATA, BLOB_SHAPE, SHAPE_DIM = (1, 2, 3, 4), 5, 7, 1
TRANSFORM_SCALE, TRANSFORM_MEAN_VALUE = 1, 5

Value = int | memoryview


@dataclass(frozen=True, slots=True)
class Transform:
    """What was done to pixels in the training."""

    mean_values: tuple[float, ...]  # of each channel: blue, green, red; or of all
    scale: float


@dataclass(frozen=True, slots=True)
class CaffeWeights:
    """What a caffemodel holds."""

    blobs: dict[str, list[Tensor]]  # by layer
    transform: Transform | None  # that of the layer which read the images


def read_caffemodel(path: Path) -> CaffeWeights:
    """Raises ModelError for a file that is cut off or of another kind."""
    try:
        layers = layers_of(memoryview(path.read_bytes()))
        named = [(text_of(layer, LAYER_NAME), layer) for layer in layers]
        blobs = {
            name: [tensor_of(blob) for blob in all_of(layer, LAYER_BLOBS)] for name, layer in named
        }
        transforms = [part for layer in layers for part in all_of(layer, LAYER_TRANSFORM)]
        found = [transform for part in transforms if (transform := transform_of(part))]
    except OSError as error:
        raise ModelError(f"{path}: not readable: {error}") from error
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path}: not a caffemodel, or cut off ({error})") from error
    if not blobs:
        raise ModelError(f"{path}: not a caffemodel: it has no layers")
    return CaffeWeights(blobs, found[0] if found else None)


def layers_of(net: memoryview) -> list[memoryview]:
    if all_of(net, NET_OLD_LAYER) and not all_of(net, NET_LAYER):
        raise ValueError(
            "its layers are of Caffe's first format; rewrite it with Caffe's "
            "upgrade_net_proto_binary"
        )
    return all_of(net, NET_LAYER)


def tensor_of(blob: memoryview) -> Tensor:
    """A BlobProto; its numbers may be packed or one by one, its shape new or old."""
    numbers = np.frombuffer(b"".join(all_of(blob, BLOB_DATA)), dtype="<f4")
    shape = [size for part in all_of(blob, BLOB_SHAPE) for size in integers(part, SHAPE_DIM)]
    if not shape:
        shape = [size for number in BLOB_OLD_SHAPE for size in integers(blob, number)]
    return torch.from_numpy(numbers.reshape(shape).astype(np.float32))


def transform_of(part: memoryview) -> Transform | None:
    """A TransformationParameter that says what was taken from the pixels."""
    means = np.frombuffer(b"".join(all_of(part, TRANSFORM_MEAN_VALUE)), dtype="<f4")
    scales = np.frombuffer(b"".join(all_of(part, TRANSFORM_SCALE)), dtype="<f4")
    if not len(means):
        return None
    return Transform(tuple(means.tolist()), float(scales[-1]) if len(scales) else 1.0)


def text_of(message: memoryview, number: int) -> str:
    parts = all_of(message, number)
    return bytes(parts[-1]).decode() if parts else ""


def integers(message: memoryview, number: int) -> Iterator[int]:
    """Whole numbers of a field, packed or one by one."""
    for found, value in fields(message):
        if found == number and isinstance(value, int):
            yield value
        elif found == number and isinstance(value, memoryview):
            place = 0
            while place < len(value):
                whole, place = varint(value, place)
                yield whole


def all_of(message: memoryview, number: int) -> list[memoryview]:
    """The bytes of each value of a field."""
    return [v for found, v in fields(message) if found == number and isinstance(v, memoryview)]


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Each field's number and value; raises ValueError or IndexError for what is no message."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        kind, value = key & 7, 0
        if kind == 0:
            value, place = varint(message, place)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, place = varint(message, place)
        if length is None:
            raise ValueError(f"a value of kind {kind}, which there is not")
        if place + length > len(message):
            raise ValueError(f"{place + length - len(message)} bytes are missing")
        yield key >> 3, message[place : place + length]
        place += length


def varint(message: memoryview, place: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, and the place after it."""
    value = shift = 0
    while message[place] & 128:
        value |= (message[place] & 127) << shift
        place, shift = place + 1, shift + 7
    return value | message[place] << shift, place + 1
