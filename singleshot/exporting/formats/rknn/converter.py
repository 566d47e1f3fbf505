"""Convert an ONNX model for Rockchip's NPUs: run by itself, in the environment of rknn-toolkit2.

python converter.py JOB.json [--simulate]

`JOB.json` names the files and the numbers. With --simulate the model is not written but run, since
no PC reads a file of it: after "ready", each line of input is answered by one line, when the
outputs (.npz) for the images (.npy of uint8 (n, h, w, 3)) have been written.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rknn.api import RKNN


def check(code: int, what: str) -> None:
    """Exit where a call of the toolkit failed; it has printed why."""
    if code != 0:
        sys.exit(f"{what} failed with code {code}")


def build(job: dict[str, Any]) -> Any:
    """Build the model, in int8 where there is a dataset; return the toolkit, which holds it."""
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
    return toolkit


def simulate(toolkit: Any, job: dict[str, Any], answers: TextIO) -> None:
    """Run the model on the images that are there, for each line of input."""
    check(toolkit.init_runtime(), "init_runtime")
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        images = np.load(job["images"])
        found = [toolkit.inference(inputs=[image[None]], data_format=["nhwc"]) for image in images]
        outputs = {
            name: np.concatenate([one[index] for one in found])
            for index, name in enumerate(job["names"])
        }
        np.savez(job["outputs"], **outputs)  # type: ignore[arg-type] # names are the job's
        print("done", file=answers, flush=True)


def run_job(file: str, *options: str) -> None:
    """Build the model, and write or run it."""
    job = json.loads(Path(file).read_text(encoding="utf-8"))
    # The toolkit prints to the standard output, by its libraries in C as well.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    toolkit = build(job)
    if "--simulate" in options:
        simulate(toolkit, job, answers)
    else:
        check(toolkit.export_rknn(job["model"]), "export_rknn")
    toolkit.release()


if __name__ == "__main__":
    run_job(*sys.argv[1:])
