"""What darknet's layers want of their outputs, loop by loop.

The C of pjreddie/darknet read again and written with its own indices and names: `delta` is how each
number should move, the gradient with its sign turned. region_layer.c (`forward_region_layer` and,
for what σ does to it, `backward_region_layer_gpu`; the processor's is commented out), yolo_layer.c
(`forward_yolo_layer`), detection_layer.c (`forward_detection_layer`). One image at a time. A
truth is (x, y, w, h, class), in fractions of the image.
"""

import math
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    x: float
    y: float
    w: float
    h: float


def overlap(x1, w1, x2, w2):
    left = max(x1 - w1 / 2, x2 - w2 / 2)
    right = min(x1 + w1 / 2, x2 + w2 / 2)
    return right - left


def box_iou(a, b):
    w, h = overlap(a.x, a.w, b.x, b.w), overlap(a.y, a.h, b.y, b.h)
    intersection = 0 if w < 0 or h < 0 else w * h
    return intersection / (a.w * a.h + b.w * b.h - intersection)


def box_rmse(a, b):
    return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))


def logistic(x):
    return 1 / (1 + np.exp(-x))


def region_delta(x, truths, biases, options):
    """Of raw outputs (anchors, 5 + classes, rows, columns); `biases` are anchors in cells.

    Options are the cfg's, and `seen`, the images before this one; `tree`, if there is one, has
    the parent of each class.
    """
    number, _, height, width = x.shape
    output = x.copy()
    output[:, 0:2] = logistic(x[:, 0:2])
    output[:, 4] = logistic(x[:, 4])
    for members in families(options.get("tree"), x.shape[1] - 5):
        powers = np.exp(x[:, [5 + m for m in members]])
        output[:, [5 + m for m in members]] = powers / powers.sum(axis=1, keepdims=True)
    delta = np.zeros_like(x)

    def get_box(n, j, i):
        tx, ty, tw, th = output[n, :4, j, i]
        w, h = biases[n]
        return Box(
            (i + tx) / width, (j + ty) / height, math.exp(tw) * w / width, math.exp(th) * h / height
        )

    def delta_box(truth, n, j, i, scale):
        w, h = biases[n]
        target = (
            truth.x * width - i,
            truth.y * height - j,
            math.log(truth.w * width / w),
            math.log(truth.h * height / h),
        )
        for entry in range(4):
            delta[n, entry, j, i] = scale * (target[entry] - output[n, entry, j, i])
        return box_iou(get_box(n, j, i), truth)

    for j in range(height):
        for i in range(width):
            for n in range(number):
                pred = get_box(n, j, i)
                best_iou = max([0, *(box_iou(pred, Box(*t[:4])) for t in truths)])
                delta[n, 4, j, i] = options["noobject_scale"] * (0 - output[n, 4, j, i])
                if best_iou > options["thresh"]:
                    delta[n, 4, j, i] = 0
                if options["seen"] < 12800:
                    w, h = biases[n]
                    middle = Box((i + 0.5) / width, (j + 0.5) / height, w / width, h / height)
                    delta_box(middle, n, j, i, 0.01)
    for *place, label in truths:
        truth = Box(*place)
        i, j = int(truth.x * width), int(truth.y * height)
        best_iou, best_n = 0, 0
        for n in range(number):
            w, h = biases[n]
            iou = box_iou(Box(0, 0, w / width, h / height), Box(0, 0, truth.w, truth.h))
            if iou > best_iou:
                best_iou, best_n = iou, n
        scale = options["coord_scale"] * (2 - truth.w * truth.h)
        iou = delta_box(truth, best_n, j, i, scale)
        target = iou if options["rescore"] else 1
        delta[best_n, 4, j, i] = options["object_scale"] * (target - output[best_n, 4, j, i])
        delta_class(output[best_n, 5:, j, i], delta[best_n, 5:, j, i], int(label), options)
    # gradient_array(…, LOGISTIC, …) for x, y and the objectness.
    for entry in (0, 1, 4):
        delta[:, entry] *= output[:, entry] * (1 - output[:, entry])
    return delta


def families(tree, classes):
    """Classes with one parent; without a tree, all."""
    if tree is None:
        return [list(range(classes))]
    return [[c for c in range(classes) if tree[c] == parent] for parent in sorted(set(tree))]


def delta_class(output, delta, label, options):
    """`delta_region_class` with softmax = 1."""
    scale, tree = options["class_scale"], options.get("tree")
    if tree is None:
        for n in range(len(output)):
            delta[n] = scale * ((1 if n == label else 0) - output[n])
        return
    while label >= 0:
        for n in range(len(output)):
            if tree[n] == tree[label]:
                delta[n] = scale * (0 - output[n])
        delta[label] = scale * (1 - output[label])
        label = tree[label]


def yolo_delta(x, truths, biases, mask, size, ignore_thresh):
    """Of raw outputs (anchors of the mask, 5 + classes, rows, columns); `biases` are all anchors.

    In pixels, as `size`, the net's (height, width), is.
    """
    number, _, height, width = x.shape
    net_h, net_w = size
    output = x.copy()
    output[:, 0:2] = logistic(x[:, 0:2])
    output[:, 4:] = logistic(x[:, 4:])
    delta = np.zeros_like(x)

    def get_box(n, j, i):
        tx, ty, tw, th = output[n, :4, j, i]
        w, h = biases[mask[n]]
        return Box(
            (i + tx) / width, (j + ty) / height, math.exp(tw) * w / net_w, math.exp(th) * h / net_h
        )

    for j in range(height):
        for i in range(width):
            for n in range(number):
                pred = get_box(n, j, i)
                best_iou = max([0, *(box_iou(pred, Box(*t[:4])) for t in truths)])
                delta[n, 4, j, i] = 0 - output[n, 4, j, i]
                if best_iou > ignore_thresh:
                    delta[n, 4, j, i] = 0
    for *place, label in truths:
        truth = Box(*place)
        i, j = int(truth.x * width), int(truth.y * height)
        best_iou, best_n = 0, 0
        for n, (w, h) in enumerate(biases):
            iou = box_iou(Box(0, 0, w / net_w, h / net_h), Box(0, 0, truth.w, truth.h))
            if iou > best_iou:
                best_iou, best_n = iou, n
        if best_n not in mask:
            continue
        n = mask.index(best_n)
        w, h = biases[best_n]
        scale = 2 - truth.w * truth.h
        target = (
            truth.x * width - i,
            truth.y * height - j,
            math.log(truth.w * net_w / w),
            math.log(truth.h * net_h / h),
        )
        for entry in range(4):
            delta[n, entry, j, i] = scale * (target[entry] - output[n, entry, j, i])
        delta[n, 4, j, i] = 1 - output[n, 4, j, i]
        classes = delta[n, 5:, j, i]
        if classes[0]:  # set before, for another object
            classes[int(label)] = 1 - output[n, 5 + int(label), j, i]
            continue
        for c in range(len(classes)):
            classes[c] = (1 if c == int(label) else 0) - output[n, 5 + c, j, i]
    return delta


def detection_delta(output, truths, side, number, classes, options):
    """Of the last layer's numbers, which are outputs already; `truths` as `fill_truth_region`."""
    locations = side * side
    delta = np.zeros_like(output)
    cells = {}
    for x, y, w, h, label in truths:
        if w < 0.005 or h < 0.005:
            continue
        col, row = int(x * side), int(y * side)
        cells.setdefault(col + row * side, (x * side - col, y * side - row, w, h, int(label)))
    for i in range(locations):
        for j in range(number):
            p_index = locations * classes + i * number + j
            delta[p_index] = options["noobject_scale"] * (0 - output[p_index])
        if i not in cells:
            continue
        *place, label = cells[i]
        for c in range(classes):
            target = 1 if c == label else 0
            delta[i * classes + c] = options["class_scale"] * (target - output[i * classes + c])
        truth = Box(place[0] / side, place[1] / side, place[2], place[3])

        def box_of(j, i=i):
            first = locations * (classes + number) + (i * number + j) * 4
            x, y, w, h = output[first : first + 4]
            return first, Box(x / side, y / side, w * w, h * h)

        best_index, best_iou, best_rmse = -1, 0, 20
        for j in range(number):
            _, out = box_of(j)
            iou, rmse = box_iou(out, truth), box_rmse(out, truth)
            if best_iou > 0 or iou > 0:
                if iou > best_iou:
                    best_iou, best_index = iou, j
            elif rmse < best_rmse:
                best_rmse, best_index = rmse, j
        first, out = box_of(best_index)
        p_index = locations * classes + i * number + best_index
        delta[p_index] = options["object_scale"] * (box_iou(out, truth) - output[p_index])
        target = (place[0], place[1], math.sqrt(place[2]), math.sqrt(place[3]))
        for entry in range(4):
            delta[first + entry] = options["coord_scale"] * (target[entry] - output[first + entry])
    return delta
