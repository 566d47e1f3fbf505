"""A TensorFlow.js graph run as it is written, node by node; slow, and for nothing but comparing.

Each operation does what TensorFlow's does, on tensors with channels last. The graph prepares its
images in a loop, whose body is run once here, for one image.
"""

import json
import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

IMAGES = "image_tensor"
STACKED = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"
RESIZED = "Preprocessor/map/while/ResizeImage/Squeeze"
NEXT_IMAGE = "Preprocessor/map/while/TensorArrayReadV3"


def run(folder, image, *outputs):
    """Values of nodes for one image, (height, width, 3) with numbers from 0 to 255."""
    model = json.loads((folder / "model.json").read_text())
    nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
    constants = read_constants(folder, model)

    @cache
    def value(reference):
        name, _, index = reference.partition(":")
        if name in constants:
            return constants[name]
        if name == NEXT_IMAGE:
            return image.float()
        if name == STACKED:
            return value(RESIZED)[None]
        node = nodes[name]
        inputs = [value(each) for each in node["input"] if not each.startswith("^")]
        result = OPERATIONS[node["op"]](node["attr"], *inputs)
        return result[int(index or 0)] if isinstance(result, tuple) else result

    return [value(name) for name in outputs]


def read_constants(folder, model):
    constants = {}
    for group in model["weightsManifest"]:
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        start = 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            numbers = np.frombuffer(data, entry["dtype"], count, start)
            constants[entry["name"]] = torch.tensor(numbers).reshape(entry["shape"])
            start += 4 * count
    return constants


def resize_bilinear(attributes, images, size):
    """ResizeBilinear without half pixels: output i is taken at i · side / size."""
    assert not attributes["align_corners"]["b"]
    rows, columns = size.tolist()
    height, width = images.shape[1:3]
    above, below, down = places(height, rows)
    left, right, across = places(width, columns)
    down, across = down[:, None, None], across[:, None]
    top = images[:, above][:, :, left] * (1 - across) + images[:, above][:, :, right] * across
    low = images[:, below][:, :, left] * (1 - across) + images[:, below][:, :, right] * across
    return top * (1 - down) + low * down


def places(side, count):
    exact = torch.arange(count) * (side / count)
    first = exact.long()
    return first, (first + 1).clamp(max=side - 1), exact - first


def convolve(attributes, images, weights, groups=1):
    """With "SAME" padding, of which the odd pixel comes last."""
    assert bytes(attributes["padding"]["s"]) == b"SAME"
    stride = int(attributes["strides"]["list"]["i"][1])
    (height, width), (rows, columns) = images.shape[1:3], weights.shape[:2]
    down, across = padding(height, rows, stride), padding(width, columns, stride)
    channels_first = F.pad(images.permute(0, 3, 1, 2), (*across, *down))
    kernel = weights.permute(3, 2, 0, 1)
    return F.conv2d(channels_first, kernel, stride=stride, groups=groups).permute(0, 2, 3, 1)


def padding(side, kernel, stride):
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def convolve_depthwise(attributes, images, weights):
    return convolve(attributes, images, weights.transpose(2, 3), groups=weights.shape[2])


def batch_norm(attributes, values, gamma, beta, mean, variance):
    root = torch.sqrt(variance + attributes["epsilon"]["f"])
    return (values - mean) / root * gamma + beta


def strided_slice(attributes, values, begin, _end, _strides):
    assert attributes["shrink_axis_mask"]["i"] == "1"
    return values[int(begin)]


def cut(_, values, begin, size):
    assert set(size.tolist()) == {-1}
    return values[tuple(slice(start, None) for start in begin.tolist())]


def squeeze(attributes, values):
    dims = [int(dim) for dim in attributes["squeeze_dims"]["list"]["i"]]
    return values.squeeze(dims)


def unpack(attributes, values):
    return values.unbind(int(attributes["axis"]["i"]))


def pack(attributes, *values):
    return torch.stack(values, int(attributes["axis"]["i"]))


def transpose(_, values, order):
    return values.permute(*order.tolist())


OPERATIONS = {
    "Add": lambda _, a, b: a + b,
    "AddN": lambda _, *values: sum(values),
    "BiasAdd": lambda _, a, b: a + b,
    "ConcatV2": lambda _, *values: torch.cat(values[:-1], int(values[-1])),
    "Conv2D": convolve,
    "DepthwiseConv2dNative": convolve_depthwise,
    "Exp": lambda _, a: a.exp(),
    "ExpandDims": lambda _, a, dim: a.unsqueeze(int(dim)),
    "FusedBatchNorm": batch_norm,
    "Mul": lambda _, a, b: a * b,
    "Pack": pack,
    "Relu6": lambda _, a: a.clamp(0, 6),
    "Reshape": lambda _, a, shape: a.reshape(shape.tolist()),
    "ResizeBilinear": resize_bilinear,
    "Shape": lambda _, a: torch.tensor(a.shape),
    "Sigmoid": lambda _, a: a.sigmoid(),
    "Slice": cut,
    "Squeeze": squeeze,
    "StridedSlice": strided_slice,
    "Sub": lambda _, a, b: a - b,
    "Tile": lambda _, a, times: a.repeat(times.tolist()),
    "Transpose": transpose,
    "Unpack": unpack,
}
