"""Protocol buffers as bytes: the weights in a caffemodel.

The fields are numbered as in Caffe's `caffe.proto`. A file is read as data alone, by the wire
format's four types of value.
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
# Of `V1LayerParameter`, in which VGG16 was published; its own `layer` is of a format before that.
OLD_LAYER_NAME, OLD_LAYER_BLOBS, OLD_LAYER_LAYER = 4, 6, 1
BLOB_OLD_SHAPE, BLOB_DATA, BLOB_SHAPE, SHAPE_DIM = (1, 2, 3, 4), 5, 7, 1
TRANSFORM_SCALE, TRANSFORM_MEAN_VALUE = 1, 5

Value = int | memoryview


@dataclass(frozen=True, slots=True)
class Transform:
    """Mean and scale of pixels in training."""

    mean_values: tuple[float, ...]  # of each channel: blue, green, red; or of all
    scale: float


@dataclass(frozen=True, slots=True)
class CaffeWeights:
    """The content of a caffemodel."""

    blobs: dict[str, list[Tensor]]  # by layer
    transform: Transform | None  # of the layer which read the images


def read_caffemodel(path: Path) -> CaffeWeights:
    """Read the tensors of a caffemodel; raises ModelError if it is truncated or another file."""
    try:
        net = memoryview(path.read_bytes())
        layers = _all_of(net, NET_LAYER)
        named = [(_text_of(layer, LAYER_NAME), _all_of(layer, LAYER_BLOBS)) for layer in layers]
        named = named or [_old_layer(layer) for layer in _all_of(net, NET_OLD_LAYER)]
        blobs = {name: [_tensor_of(blob) for blob in of_layer] for name, of_layer in named}
        transforms = [part for layer in layers for part in _all_of(layer, LAYER_TRANSFORM)]
        found = [transform for part in transforms if (transform := _transform_of(part))]
    except OSError as error:
        raise ModelError(f"{path}: not readable: {error}") from error
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path}: not a caffemodel, or truncated ({error})") from error
    if not blobs:
        raise ModelError(f"{path}: not a caffemodel: it has no layers")
    return CaffeWeights(blobs, found[0] if found else None)


def _old_layer(layer: memoryview) -> tuple[str, list[memoryview]]:
    """Read name and blobs of Caffe's second format; ValueError for its first."""
    if _all_of(layer, OLD_LAYER_LAYER):
        raise ValueError(
            "its layers are of Caffe's first format; rewrite it with Caffe's "
            "upgrade_net_proto_binary"
        )
    return _text_of(layer, OLD_LAYER_NAME), _all_of(layer, OLD_LAYER_BLOBS)


def _tensor_of(blob: memoryview) -> Tensor:
    """Read a BlobProto; its numbers may be packed or one by one, its shape new or old."""
    numbers = np.frombuffer(b"".join(_all_of(blob, BLOB_DATA)), dtype="<f4")
    shape = [size for part in _all_of(blob, BLOB_SHAPE) for size in _integers(part, SHAPE_DIM)]
    if not shape:
        shape = [size for number in BLOB_OLD_SHAPE for size in _integers(blob, number)]
    return torch.from_numpy(numbers.reshape(shape).astype(np.float32))


def _transform_of(part: memoryview) -> Transform | None:
    """Read a TransformationParameter; None if it has no mean."""
    means = np.frombuffer(b"".join(_all_of(part, TRANSFORM_MEAN_VALUE)), dtype="<f4")
    scales = np.frombuffer(b"".join(_all_of(part, TRANSFORM_SCALE)), dtype="<f4")
    if not len(means):
        return None
    return Transform(tuple(means.tolist()), float(scales[-1]) if len(scales) else 1.0)


def _text_of(message: memoryview, number: int) -> str:
    parts = _all_of(message, number)
    return bytes(parts[-1]).decode() if parts else ""


def _integers(message: memoryview, number: int) -> Iterator[int]:
    """Yield the whole numbers of a field, packed or one by one."""
    for found, value in _fields(message):
        if found == number and isinstance(value, int):
            yield value
        elif found == number and isinstance(value, memoryview):
            position = 0
            while position < len(value):
                whole, position = _read_varint(value, position)
                yield whole


def _all_of(message: memoryview, number: int) -> list[memoryview]:
    """Collect the bytes of each value of a field."""
    return [v for found, v in _fields(message) if found == number and isinstance(v, memoryview)]


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the number and value of each field; ValueError or IndexError if it is no message."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        wire_type, value = key & 7, 0
        if wire_type == 0:
            value, position = _read_varint(message, position)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(wire_type)
        if wire_type == 2:
            length, position = _read_varint(message, position)
        if length is None:
            raise ValueError(f"unknown wire type {wire_type}")
        if position + length > len(message):
            raise ValueError(f"{position + length - len(message)} bytes are missing")
        yield key >> 3, message[position : position + length]
        position += length


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Read a whole number, seven bits a byte; returns it and the position after it."""
    value = shift = 0
    while message[position] & 128:
        value |= (message[position] & 127) << shift
        position, shift = position + 1, shift + 7
    return value | message[position] << shift, position + 1
