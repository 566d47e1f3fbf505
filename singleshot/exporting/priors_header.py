"""The numbers of a detector as a header of C arrays, for hosts that decode outputs themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float32, Int16

from singleshot.detectors.common.settings import Nms, Resize
from singleshot.metrics import DEFAULT_SCORE_THRESHOLD
from singleshot.runtimes.manifest import Manifest, ModelOutput

__all__ = ["fixed_point", "priors_header"]

# As `decoder.hpp` and `resize.hpp` number them.
NMS_KINDS: Sequence[Nms] = ("hard", "distance", "soft", "weighted")
RESIZE_KINDS: Sequence[Resize] = (
    "antialias",
    "opencv",
    "torchvision",
    "tensorflow1",
    "darknet",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_C_TYPES = {"float32": "float", "int8": "int8_t", "uint8": "uint8_t"}


def priors_header(manifest: Manifest) -> str:
    """Write the header `priors.h` of an exported model, for C99 and C++."""
    priors = manifest.decoding.priors()
    numbers, bits = fixed_point(priors)
    error = float(np.abs(numbers / 2.0**bits - priors).max())
    side = max(manifest.input.size)
    detector = manifest.detector
    lines = [
        f"/* Priors and numbers of the {detector.kind} detector on {detector.backbone}, for",
        " * decoder.hpp and resize.hpp, or for a decoder of your own: C99 and C++. */",
        "#ifndef SINGLESHOT_PRIORS_H",
        "#define SINGLESHOT_PRIORS_H",
        "",
        "#include <stdint.h>",
        "",
        *_definitions(manifest),
        "",
        f"typedef {_C_TYPES[manifest.input.dtype]} singleshot_pixel; /* of the input */",
        f"typedef {_number_type(manifest.outputs)} singleshot_number; /* of the outputs */",
        "",
        "/* What the host subtracts from RGB values of 0 to 255, then divides by. Where the input",
        " * scale is not 0, the input is round(value / scale) + zero point after that. */",
        _array("float singleshot_mean[3]", map(_float, manifest.input.mean)),
        _array("float singleshot_std[3]", map(_float, manifest.input.std)),
        "",
        *_level_arrays(manifest),
        "",
        "/* Value = scale * (number - zero point), output by output. */",
        *_quantization_arrays(manifest.outputs),
        "",
        *_class_arrays(manifest),
        "",
        "/* Centre x, centre y, width and height as fractions of the input; level by level, the",
        " * finest first; row by row, cell by cell, and then the priors of the cell. */",
        *_table("float singleshot_priors", priors, _float, manifest),
        "",
        f"/* The same in fixed point, Q{15 - bits}.{bits}: value = number / {1 << bits}. Rounding",
        f" * moves them by at most {error:.1e} of the input: {error * side:.4f} pixels. */",
        f"#define SINGLESHOT_PRIOR_FRACTION_BITS {bits}",
        *_table("int16_t singleshot_priors_q", numbers, str, manifest),
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def fixed_point(
    priors: Float32[np.ndarray, "priors 4"],
) -> tuple[Int16[np.ndarray, "priors 4"], int]:
    """Round priors to 16 bits, and return how many of them are after the point."""
    whole = max(0, math.ceil(math.log2(float(np.abs(priors).max()) * (1 + 2.0**-15))))
    bits = 15 - whole
    return np.rint(priors.astype(np.float64) * 2.0**bits).astype(np.int16), bits


def _definitions(manifest: Manifest) -> list[str]:
    decoding, post = manifest.decoding, manifest.postprocessing
    outputs, quantization = manifest.outputs, manifest.input.quantization
    scores = next((output for output in outputs if output.kind == "scores"), None)
    definitions: dict[str, int | float] = {
        "INPUT_HEIGHT": manifest.input.size[0],
        "INPUT_WIDTH": manifest.input.size[1],
        "INPUT_NCHW": int(manifest.input.layout == "NCHW"),
        "INPUT_SCALE": 0.0 if quantization is None else float(quantization.scale),
        "INPUT_ZERO_POINT": 0 if quantization is None else quantization.zero_point,
        "RESIZE": RESIZE_KINDS.index(manifest.input.resize),
        "NUM_PRIORS": len(decoding.priors()),
        "NUM_LEVELS": len(decoding.levels),
        "NUM_CLASSES": len(manifest.class_names),
        "NUM_COLUMNS": decoding.num_columns,
        "FIRST_COLUMN": decoding.first_column,
        "SIGMOID": int(decoding.scores == "sigmoid"),
        "CENTRE_SCALE": float(decoding.offset_scales[0]),
        "SIZE_SCALE": float(decoding.offset_scales[1]),
        "SCORE_THRESHOLD": float(post.score_threshold),
        "IOU_THRESHOLD": float(post.iou_threshold),
        "TOP_K": post.top_k,
        "KEEP": post.keep,
        "CLIP_BEFORE_NMS": int(post.clip_before_nms),
        "NMS": NMS_KINDS.index(post.nms),
        "SOFT_SIGMA": float(post.soft_sigma),
        "RAW": int(manifest.contract == "raw"),
        "NHWC": int(any(output.layout == "NHWC" for output in outputs)),
        "SCORE_COLUMNS": 0 if scores is None else scores.shape[-1],
        "SCORE_FIRST_COLUMN": 0 if scores is None else scores.first_column,
        "SCORES_FIRST": int(outputs[0].kind == "scores"),
    }
    return [
        f"#define SINGLESHOT_{name} {_float(value) if isinstance(value, float) else value}"
        for name, value in definitions.items()
    ]


def _number_type(outputs: Sequence[ModelOutput]) -> str:
    """Return the C type of outputs: whole numbers of 8 bits where they are quantised."""
    quantizations = [output.quantization for output in outputs]
    return "float" if None in quantizations else "int8_t"


def _level_arrays(manifest: Manifest) -> list[str]:
    levels = manifest.decoding.levels
    first, firsts = 0, []
    for level in levels:
        firsts.append(str(first))
        first += level.grid[0] * level.grid[1] * level.priors_per_cell
    rows = [f"{{{level.grid[0]}, {level.grid[1]}, {level.priors_per_cell}}}" for level in levels]
    return [
        "/* Rows, columns and priors per cell of each level, and its first prior. */",
        _array(f"int singleshot_levels[{len(levels)}][3]", rows),
        _array(f"int singleshot_first_prior[{len(levels)}]", firsts),
    ]


def _quantization_arrays(outputs: Sequence[ModelOutput]) -> list[str]:
    quantizations = [output.quantization for output in outputs]
    scales = [_float(1.0 if each is None else each.scale) for each in quantizations]
    zero_points = [str(0 if each is None else each.zero_point) for each in quantizations]
    return [
        _array(f"float singleshot_output_scales[{len(outputs)}]", scales),
        _array(f"int singleshot_output_zero_points[{len(outputs)}]", zero_points),
    ]


def _class_arrays(manifest: Manifest) -> list[str]:
    names = manifest.class_names
    lines = [_array(f"char *const singleshot_class_names[{len(names)}]", map(_quote, names))]
    if manifest.operating_point is not None:
        chosen = manifest.operating_point.score_thresholds
        # A class whose rule cannot be met is reported as if nothing had been chosen.
        found = [
            DEFAULT_SCORE_THRESHOLD if (one := chosen.get(name)) is None else one for name in names
        ]
        lines += [
            f"/* Operating point: {manifest.operating_point.rule}; lower scores are dropped. */",
            _array(f"float singleshot_score_thresholds[{len(names)}]", map(_float, found)),
        ]
    return lines


def _array(declaration: str, values: Iterable[str]) -> str:
    return f"static const {declaration} = {{{', '.join(values)}}};"


def _table(
    declaration: str, rows: np.ndarray, write: Callable[[float], str], manifest: Manifest
) -> list[str]:
    lines = [f"static const {declaration}[{len(rows)}][4] = {{"]
    first = 0
    for index, level in enumerate(manifest.decoding.levels):
        last = first + level.grid[0] * level.grid[1] * level.priors_per_cell
        lines.append(f"    /* level {index}: {level.grid[0]} x {level.grid[1]} cells */")
        lines += [f"    {{{', '.join(map(write, row))}}}," for row in rows[first:last].tolist()]
        first = last
    return [*lines, "};"]


def _quote(text: str) -> str:
    """Write a string literal; control characters are in octal digits."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{re.sub(_CONTROL, lambda found: f"{chr(92)}{ord(found[0]):03o}", escaped)}"'


def _float(value: float) -> str:
    """Write a float of 32 bits such that it is read as the same."""
    return f"{np.float32(value)!s}f"
