"""Convert an ONNX model for Rockchip's NPUs: run by itself, in the environment of rknn-toolkit2.

python converter.py JOB.json

`JOB.json` names the files and the numbers; with "images", a .npy file of uint8 (n, h, w, 3), the
toolkit's simulator computes the outputs of each, and "outputs" is where they are written (.npz).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rknn.api import RKNN


def check(code: int, what: str) -> None:
    """Exit where a call of the toolkit failed; it has printed why."""
    if code != 0:
        sys.exit(f"{what} failed with code {code}")


def convert_onnx(job: dict[str, Any]) -> None:
    """Convert one file into the other."""
    toolkit = RKNN(verbose=False)
    check(
        toolkit.config(
            mean_values=[job["mean"]],
            std_values=[job["std"]],
            target_platform=job["target"],
            quantized_algorithm=job["algorithm"],
        ),
        "config",
    )
    check(toolkit.load_onnx(model=job["onnx"]), "load_onnx")
    dataset = job["dataset"]
    check(toolkit.build(do_quantization=dataset is not None, dataset=dataset), "build")
    check(toolkit.export_rknn(job["model"]), "export_rknn")
    if job.get("images"):
        check(toolkit.init_runtime(), "init_runtime")
        images = np.load(job["images"])
        found = [toolkit.inference(inputs=[image[None]], data_format=["nhwc"]) for image in images]
        outputs = {
            name: np.concatenate([one[index] for one in found])
            for index, name in enumerate(job["names"])
        }
        np.savez(job["outputs"], **outputs)  # type: ignore[arg-type] # names are the job's
    toolkit.release()


if __name__ == "__main__":
    convert_onnx(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
