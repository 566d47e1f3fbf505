"""Darknet's forward pass in NumPy, loop by loop, from a cfg and the numbers of a weights file.

pjreddie/darknet's C code, read again and written with its own indices: convolutional_layer.c,
maxpool_layer.c, blas.c (`reorg_cpu`, `shortcut_cpu`, `upsample_cpu`), route_layer.c, local_layer.c,
connected_layer.c, region_layer.c, yolo_layer.c, detection_layer.c. One image at a time; slow.
"""

import struct

import numpy as np

Box = tuple[
    tuple[float, float, float, float], float, np.ndarray
]  # centre and size, object, classes


def sections_of(text: str) -> list[tuple[str, dict[str, str]]]:
    """(kind, options), the first of which is the net's."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            found.append((line.strip("[]"), {}))
        else:
            key, value = line.split("=")
            found[-1][1][key.strip()] = value.strip()
    return found


def numbers_for(text: str, random: np.random.Generator) -> list[np.ndarray]:
    """Random numbers for every array of a file, in its order."""
    numbers: list[np.ndarray] = []
    run(text, None, lambda *shape: random_array(shape, random), numbers)
    return numbers


def random_array(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Weights that keep values about as large as they are; one column each is positive."""
    if len(shape) == 1:
        return random.uniform(0.3, 1.5, shape).astype(np.float32)  # fit for a variance, too
    spread = 1.4 / np.sqrt(np.prod(shape[1:]))
    return (random.standard_normal(shape) * spread).astype(np.float32)


def write_weights(path, numbers, version=(0, 2, 0), seen="<q") -> None:
    """A file as darknet's `save_weights_upto` writes it."""
    header = struct.pack("<3i", *version) + struct.pack(seen, 32_013_312)
    path.write_bytes(header + b"".join(array.astype("<f4").tobytes() for array in numbers))


def boxes_of(text: str, numbers: list[np.ndarray], image: np.ndarray) -> list[Box]:
    """Compute the outputs of a network for an image (3, height, width) of values from 0 to 1."""
    waiting = list(numbers)
    found = run(text, image, lambda *shape: waiting.pop(0).reshape(shape), [])
    assert not waiting
    return found


def run(text, image, take, taken) -> list[Box]:
    """All layers; `take` gives an array of a shape, and `taken` collects them."""
    (_, net), *layers = sections_of(text)
    height, width = int(net["height"]), int(net["width"])
    values = np.zeros((3, height, width)) if image is None else image.astype(np.float64)

    def numbers(*shape: int) -> np.ndarray:
        taken.append(take(*shape))
        return taken[-1].astype(np.float64)

    outputs: list[np.ndarray] = []
    boxes: list[Box] = []
    for kind, options in layers:
        match kind:
            case "convolutional":
                values = convolutional(values, options, numbers)
            case "maxpool":
                values = maxpool(values, int(options["size"]), int(options["stride"]))
            case "reorg":
                values = reorg(values, int(options["stride"]))
            case "upsample":
                values = values.repeat(2, axis=1).repeat(2, axis=2)
            case "route":
                places = [int(place) for place in options["layers"].split(",")]
                values = np.concatenate([outputs[place] for place in places])
            case "shortcut":
                values = values + outputs[int(options["from"])]
            case "local":
                values = local(values, options, numbers)
            case "connected":
                values = connected(values, options, numbers)
            case "region":
                boxes += region(values, options)
            case "yolo":
                boxes += yolo(values, options, (height, width))
            case "detection":
                boxes += detection(values, options)
        outputs.append(values)
    return boxes


def activate(values: np.ndarray, name: str) -> np.ndarray:
    return np.where(values > 0, values, 0.1 * values) if name == "leaky" else values


def convolutional(values, options, numbers) -> np.ndarray:
    filters, size = int(options["filters"]), int(options["size"])
    stride = int(options.get("stride", 1))
    pad = size // 2 if int(options.get("pad", 0)) else int(options.get("padding", 0))
    biases = numbers(filters)
    norm = [numbers(filters) for _ in range(3)] if options.get("batch_normalize") == "1" else None
    weights = numbers(filters, len(values), size, size)
    padded = np.pad(values, ((0, 0), (pad, pad), (pad, pad)))
    rows = (values.shape[1] + 2 * pad - size) // stride + 1
    columns = (values.shape[2] + 2 * pad - size) // stride + 1
    found = np.zeros((filters, rows, columns))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            window = padded[:, top : top + size, left : left + size]
            found[:, row, column] = (weights * window).sum(axis=(1, 2, 3))
    if norm is not None:
        scales, means, variances = (part[:, None, None] for part in norm)
        found = scales * (found - means) / np.sqrt(variances + 0.00001)
    return activate(found + biases[:, None, None], options["activation"])


def maxpool(values, size, stride) -> np.ndarray:
    channels, height, width = values.shape
    padding = size - 1
    rows, columns = (height + padding - size) // stride + 1, (width + padding - size) // stride + 1
    offset = -padding // 2 if padding % 2 == 0 else -(padding // 2)
    found = np.full((channels, rows, columns), -np.inf)
    for row in range(rows):
        for column in range(columns):
            for down in range(size):
                for across in range(size):
                    y, x = offset + row * stride + down, offset + column * stride + across
                    if 0 <= y < height and 0 <= x < width:
                        found[:, row, column] = np.maximum(found[:, row, column], values[:, y, x])
    return found


def reorg(values, stride) -> np.ndarray:
    """`reorg_cpu(x, w, h, c, batch, stride, 0, out)`."""
    c, h, w = values.shape
    x, out = values.reshape(-1), np.zeros(values.size)
    out_c = c // (stride * stride)
    for k in range(c):
        for j in range(h):
            for i in range(w):
                in_index = i + w * (j + h * k)
                c2, offset = k % out_c, k // out_c
                w2, h2 = i * stride + offset % stride, j * stride + offset // stride
                out_index = w2 + w * stride * (h2 + h * stride * c2)
                out[in_index] = x[out_index]
    return out.reshape(c * stride * stride, h // stride, w // stride)


def local(values, options, numbers) -> np.ndarray:
    filters, size = int(options["filters"]), int(options["size"])
    channels, height, width = values.shape
    biases = numbers(filters * height * width).reshape(filters, height, width)
    weights = numbers(height * width, filters, channels * size * size)
    padded = np.pad(values, ((0, 0), (size // 2,) * 2, (size // 2,) * 2))
    found = np.zeros((filters, height, width))
    for row in range(height):
        for column in range(width):
            window = padded[:, row : row + size, column : column + size].reshape(-1)
            found[:, row, column] = weights[row * width + column] @ window
    return activate(found + biases, options["activation"])


def connected(values, options, numbers) -> np.ndarray:
    outputs, flat = int(options["output"]), values.reshape(-1)
    biases = numbers(outputs)
    return activate(numbers(outputs, len(flat)) @ flat + biases, options["activation"])


def logistic(value):
    return 1 / (1 + np.exp(-value))


def anchors_in(options) -> list[tuple[float, float]]:
    values = [float(value) for value in options["anchors"].split(",")]
    return list(zip(values[::2], values[1::2], strict=True))


def region(values, options) -> list[Box]:
    anchors, classes = anchors_in(options), int(options["classes"])
    _, h, w = values.shape
    numbers = values.reshape(len(anchors), 5 + classes, h, w)
    found: list[Box] = []
    for n, (bias_w, bias_h) in enumerate(anchors):
        for j in range(h):
            for i in range(w):
                x = numbers[n, :, j, i]
                box = (
                    (i + logistic(x[0])) / w,
                    (j + logistic(x[1])) / h,
                    np.exp(x[2]) * bias_w / w,
                    np.exp(x[3]) * bias_h / h,
                )
                powers = np.exp(x[5:] - x[5:].max())
                found.append((box, logistic(x[4]), powers / powers.sum()))
    return found


def yolo(values, options, size) -> list[Box]:
    anchors, classes = anchors_in(options), int(options["classes"])
    mask = [int(number) for number in options["mask"].split(",")]
    _, h, w = values.shape
    numbers = values.reshape(len(mask), 5 + classes, h, w)
    found: list[Box] = []
    for n, number in enumerate(mask):
        for j in range(h):
            for i in range(w):
                x = numbers[n, :, j, i]
                box = (
                    (i + logistic(x[0])) / w,
                    (j + logistic(x[1])) / h,
                    np.exp(x[2]) * anchors[number][0] / size[1],
                    np.exp(x[3]) * anchors[number][1] / size[0],
                )
                found.append((box, logistic(x[4]), logistic(x[5:])))
    return found


def detection(values, options) -> list[Box]:
    side, num, classes = (int(options[key]) for key in ("side", "num", "classes"))
    found: list[Box] = []
    for i in range(side * side):
        row, col = i // side, i % side
        for n in range(num):
            p_index = side * side * classes + i * num + n
            box_index = side * side * (classes + num) + (i * num + n) * 4
            x, y, w, h = values[box_index : box_index + 4]
            box = ((x + col) / side, (y + row) / side, w * w, h * h)
            found.append((box, values[p_index], values[i * classes : (i + 1) * classes]))
    return found
