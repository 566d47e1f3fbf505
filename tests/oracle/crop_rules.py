"""The published rules of crops and expansion, written out slowly, line by line as in the original.

Sources: weiliu89/caffe, branch ssd: `sampler.cpp` (`SampleBBox`, `SatisfySampleConstraint`,
`GenerateSamples`, `GenerateBatchSamples`), `bbox_util.cpp` (`MeetEmitConstraint`, `ProjectBBox`,
`ClipBBox`), `data_transformer.cpp` (`ExpandImage`). Random numbers from 0 to 1 are handed in.
"""

import math

from oracle.ssd_rules import jaccard


def sample_box(numbers, scales, aspect_ratios):
    """`SampleBBox`: a box in fractions of the image."""
    scale = scales[0] + (scales[1] - scales[0]) * numbers[0]
    aspect_ratio = aspect_ratios[0] + (aspect_ratios[1] - aspect_ratios[0]) * numbers[1]
    aspect_ratio = max(aspect_ratio, scale**2)
    aspect_ratio = min(aspect_ratio, 1 / scale**2)
    width = scale * math.sqrt(aspect_ratio)
    height = scale / math.sqrt(aspect_ratio)
    w_off = numbers[2] * (1 - width)
    h_off = numbers[3] * (1 - height)
    return [w_off, h_off, w_off + width, h_off + height]


def satisfies(box, objects, min_overlap):
    """`SatisfySampleConstraint` with a least overlap alone."""
    for truth in objects:
        if jaccard(box, truth) < min_overlap:
            continue
        return True
    return False


def batch_samples(whole, trials, objects, min_overlaps):
    """`GenerateBatchSamples` with max_sample 1, of boxes that are sampled already.

    The first sampler of the published settings gives the whole image. trials[sampler][trial].
    """
    samples = [whole]
    for boxes, min_overlap in zip(trials, min_overlaps, strict=True):
        for box in boxes:
            if satisfies(box, objects, min_overlap):
                samples.append(box)
                break
    return samples


def emits_centre(source, box):
    """`MeetEmitConstraint` with CENTER."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return source[0] <= x <= source[2] and source[1] <= y <= source[3]


def project(source, box):
    """`ProjectBBox`: the box in fractions of the source, clipped; None where nothing is left."""
    if box[0] >= source[2] or box[2] <= source[0] or box[1] >= source[3] or box[3] <= source[1]:
        return None
    width, height = source[2] - source[0], source[3] - source[1]
    projected = [
        (box[0] - source[0]) / width,
        (box[1] - source[1]) / height,
        (box[2] - source[0]) / width,
        (box[3] - source[1]) / height,
    ]
    x1, y1, x2, y2 = (max(min(value, 1.0), 0.0) for value in projected)
    return [x1, y1, x2, y2] if (x2 - x1) * (y2 - y1) > 0 else None


def expand(size, max_ratio, numbers):
    """`ExpandImage`: the canvas as a box in pixels of the image, in whole pixels."""
    image_h, image_w = size
    ratio = 1 + (max_ratio - 1) * numbers[0]
    height, width = int(image_h * ratio), int(image_w * ratio)
    w_off = math.floor(numbers[1] * (width - image_w))
    h_off = math.floor(numbers[2] * (height - image_h))
    return [-w_off, -h_off, width - w_off, height - h_off]
