"""Accuracy after quantisation to int8: what `export --int8` chooses, and how much AP it loses.

The detector that TensorFlow trained on COCO is imported, calibrated on the training images of
tiny_coco and evaluated on its validation images. SINGLESHOT_BCCD_RUN names a detector trained on
BCCD (`singleshot train ssdlite320-lite0 --data bccd`): calibrated on `train`, evaluated on `test`,
which the gate looks at, and on `val`, which it does not. Formats whose packages or environments are
missing are left out.
"""

import os
import tempfile
import time
from pathlib import Path

import singleshot
from singleshot.errors import SingleshotError

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
FORMATS = ("onnx", "openvino", "litert", "executorch", "rknn")
COLUMNS = "{:6} {:11} {:>6} {:>6} {:>6} {:>15} {:>7} {:>8} {:>7} {:>5} {:>4}  {}"


def main() -> None:
    shared = Path(os.environ.get("SINGLESHOT_SHARED", SHARED))
    titles = ("data", "format", "AP", "int8", "drop", "interval", "unseen", "offsets", "logits")
    print(COLUMNS.format(*titles, "MB", "s", "setting"))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        imported = singleshot.import_model(
            shared / "weights" / "ssdlite_mnv2_coco_tfjs", output=work / "coco"
        )
        measure(imported.folder, shared / "data" / "tiny_coco", None, work / "exports")
        if run := os.environ.get("SINGLESHOT_BCCD_RUN"):
            measure(Path(run), shared / "data" / "bccd", "val", work / "exports")
        else:
            print("bccd: not measured; SINGLESHOT_BCCD_RUN names no run")


def measure(model: Path, data: Path, unseen: str | None, exports: Path) -> None:
    """Quantise a detector for each format; `unseen` is a split that no decision depends on."""
    before = None if unseen is None else average_precision(model, data, unseen)
    for name in FORMATS:
        output, start = exports / f"{data.name}-{name}", time.perf_counter()
        try:
            result = singleshot.export(
                model, to=name, int8=True, calibrate=data, skip_timing=True, output=output
            )
        except SingleshotError as error:
            print(f"{data.name[-4:]:6} {name:11} {str(error).splitlines()[0]}")
            continue
        seconds = time.perf_counter() - start
        found = result.manifest.quantization
        chosen = next(trial for trial in found["trials"] if trial["passes"])
        drop = (
            ""
            if before is None
            else f"{100 * (before - average_precision(output, data, unseen)):.2f}"
        )
        size = sum(file.bytes for file in result.manifest.files.values()) / 1e6
        print(
            COLUMNS.format(
                data.name[-4:],
                name,
                f"{100 * found['average_precision']:.2f}",
                f"{100 * chosen['average_precision']:.2f}",
                f"{chosen['drop']:.2f}",
                f"{chosen['drop_low']:.2f} to {chosen['drop_high']:.2f}",
                drop,
                f"{chosen['offsets_error']:.3f}",
                f"{chosen['logits_error']:.3f}",
                f"{size:.1f}",
                f"{seconds:.0f}",
                chosen["setting"],
            ),
            flush=True,
        )


def average_precision(model: Path, data: Path, split: str | None) -> float:
    """Evaluate a model on a split, by COCO's protocol."""
    value = singleshot.evaluate(model, data=data, split=split).mean_average_precision
    assert value is not None
    return value
