"""A small Caffe SSD with most kinds of layers, as files: made here, since real ones are large."""

from __future__ import annotations

import math
import struct

import numpy as np

PROTOTXT = """
name: "small"  # two levels, of which the second has heads on features of their own
input: "data"
input_shape { dim: 1 dim: 3 dim: 75 dim: 101 }
layer { name: "input/bn" type: "BatchNorm" bottom: "data" top: "normalised" }
layer { name: "input/scale" type: "Scale" bottom: "normalised" top: "normalised"
        scale_param { bias_term: true } }
layer { name: "conv1" type: "Convolution" bottom: "normalised" top: "conv1"
        convolution_param { num_output: 8 kernel_h: 3 kernel_w: 5 pad_h: 1 pad_w: 2 stride: 2 } }
layer { name: "conv1/bn" type: "BatchNorm" bottom: "conv1" top: "conv1"
        batch_norm_param { eps: 0.001 } }
layer { name: "conv1/scale" type: "Scale" bottom: "conv1" top: "conv1"
        scale_param { bias_term: true } }
layer { name: "conv1/relu" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2/dw" type: "Convolution" bottom: "pool1" top: "conv2/dw"
        convolution_param { num_output: 8 bias_term: false kernel_size: 3 pad: 2 dilation: 2
                            group: 8 } }
layer { name: "drop" type: "Dropout" bottom: "conv2/dw" top: "conv2/dw" }
layer { name: "sum" type: "Eltwise" bottom: "pool1" bottom: "conv2/dw" top: "sum" }
layer { name: "sum/bn" type: "BatchNorm" bottom: "sum" top: "sum/bn" }
layer { name: "both" type: "Concat" bottom: "sum" bottom: "sum/bn" top: "both" }
layer { name: "norm" type: "Normalize" bottom: "both" top: "norm"
        norm_param { across_spatial: false channel_shared: false } }
layer { name: "pool2" type: "Pooling" bottom: "both" top: "pool2"
        pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "pool2/relu" type: "ReLU" bottom: "pool2" top: "pool2/relu" }

layer { name: "norm_loc" type: "Convolution" bottom: "norm" top: "norm_loc"
        convolution_param { num_output: 16 kernel_size: 3 pad: 1 } }
layer { name: "norm_loc_perm" type: "Permute" bottom: "norm_loc" top: "norm_loc_perm"
        permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "norm_loc_flat" type: "Flatten" bottom: "norm_loc_perm" top: "norm_loc_flat" }
layer { name: "norm_conf" type: "Convolution" bottom: "norm" top: "norm_conf"
        convolution_param { num_output: 12 kernel_size: 3 pad: 1 } }
layer { name: "norm_conf_perm" type: "Permute" bottom: "norm_conf" top: "norm_conf_perm"
        permute_param { order: [0, 2, 3, 1] } }
layer { name: "norm_conf_flat" type: "Flatten" bottom: "norm_conf_perm" top: "norm_conf_flat" }
layer { name: "norm_prior" type: "PriorBox" bottom: "norm" bottom: "data" top: "norm_prior"
        prior_box_param { min_size: 20 max_size: 30 aspect_ratio: 2 flip: true clip: true
                          variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }

layer { name: "pool2_loc" type: "Convolution" bottom: "pool2" top: "pool2_loc"
        convolution_param { num_output: 8 bias_term: false kernel_size: 1 } }
layer { name: "pool2_loc_perm" type: "Permute" bottom: "pool2_loc" top: "pool2_loc_perm"
        permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "pool2_loc_flat" type: "Flatten" bottom: "pool2_loc_perm" top: "pool2_loc_flat" }
layer { name: "pool2_conf" type: "Convolution" bottom: "pool2/relu" top: "pool2_conf"
        convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
layer { name: "pool2_conf_perm" type: "Permute" bottom: "pool2_conf" top: "pool2_conf_perm"
        permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "pool2_conf_flat" type: "Flatten" bottom: "pool2_conf_perm" top: "pool2_conf_flat" }
layer { name: "pool2_prior" type: "PriorBox" bottom: "pool2" bottom: "data" top: "pool2_prior"
        prior_box_param { min_size: 40 max_size: 60 clip: true
                          variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }

layer { name: "loc" type: "Concat" bottom: "norm_loc_flat" bottom: "pool2_loc_flat" top: "loc" }
layer { name: "conf" type: "Concat" bottom: "norm_conf_flat" bottom: "pool2_conf_flat" top: "conf" }
layer { name: "prior" type: "Concat" bottom: "norm_prior" bottom: "pool2_prior" top: "prior"
        concat_param { axis: 2 } }
layer { name: "conf_reshape" type: "Reshape" bottom: "conf" top: "conf_reshape"
        reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "softmax" type: "Softmax" bottom: "conf_reshape" top: "softmax"
        softmax_param { axis: 2 } }
layer { name: "conf_flat" type: "Flatten" bottom: "softmax" top: "conf_flat" }
layer { name: "detection_out" type: "DetectionOutput"
        bottom: "loc" bottom: "conf_flat" bottom: "prior" top: "detection_out"
        include { phase: TEST }
        detection_output_param {
          num_classes: 3 share_location: true background_label_id: 0
          nms_param { nms_threshold: 0.45 top_k: 100 }
          code_type: CENTER_SIZE keep_top_k: 50 confidence_threshold: 0.2 } }
"""

SHAPES = {
    "conv1": ((8, 3, 3, 5), (8,)),
    "conv2/dw": ((8, 1, 3, 3),),
    "norm_loc": ((16, 16, 3, 3), (16,)),
    "norm_conf": ((12, 16, 3, 3), (12,)),
    "pool2_loc": ((8, 16, 1, 1),),
    "pool2_conf": ((6, 16, 3, 3), (6,)),
}


def small_weights(seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Random, in the range where scores differ from each other."""
    random = np.random.default_rng(seed)
    weights = {
        name: [random.normal(0, 1 / math.sqrt(np.prod(shape[1:])), shape) for shape in shapes]
        for name, shapes in SHAPES.items()
    }
    for name, channels in (("input/bn", 3), ("conv1/bn", 8), ("sum/bn", 8)):
        mean, variance = random.normal(0, 1, channels), random.uniform(0.5, 2, channels)
        if channels == 3:  # of the image
            mean, variance = 10 * mean, 3000 * variance
        # Sums over so many batches.
        weights[name] = [999 * mean, 999 * variance, np.array([999.0])]
    for name, channels in (("input/scale", 3), ("conv1/scale", 8)):
        weights[name] = [random.uniform(-2, 2, channels), random.normal(0, 0.5, channels)]
    weights["norm"] = [random.uniform(5, 10, 16)]
    return weights


def caffemodel(
    weights: dict[str, list[np.ndarray]], *, mean_values: tuple[float, ...] = (104, 117, 123)
) -> bytes:
    """A NetParameter with its weights, and with the layer that read the training images."""
    values = b"".join(varint(5 << 3 | 5) + struct.pack("<f", value) for value in mean_values)
    about = [part(1, b"train"), part(2, b"AnnotatedData"), part(100, values)]
    layers = [part(100, b"".join(about))]
    for name, blobs in weights.items():
        content = [part(1, name.encode()), *(part(7, blob(values)) for values in blobs)]
        layers.append(part(100, b"".join(content)))
    return part(1, b"small") + b"".join(layers)


def blob(values: np.ndarray) -> bytes:
    """A BlobProto with packed numbers and the new kind of shape."""
    shape = part(1, b"".join(varint(side) for side in values.shape))
    return part(5, values.astype("<f4").tobytes()) + part(7, shape)


def old_blob(values: np.ndarray) -> bytes:
    """A BlobProto with numbers one by one and num, channels, height, width."""
    sides = [1] * (4 - values.ndim) + list(values.shape)
    shape = b"".join(varint(number << 3) + varint(side) for number, side in enumerate(sides, 1))
    return shape + b"".join(varint(5 << 3 | 5) + struct.pack("<f", v) for v in values.flatten())


def part(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Seven bits a byte."""
    found = b""
    while value >= 128:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])
