"""Arm's Ethos-U: a LiteRT model in int8, compiled by Vela.

The folder has both models: model_vela.tflite for the device, and model.tflite as it was before,
which LiteRT computes here with the same numbers as the NPU does.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from singleshot.errors import ModelError, RunFailed
from singleshot.exporting.external_programs import run_program
from singleshot.exporting.formats.format import (
    ExportFormat,
    ExportJob,
    Int8Support,
    ModelFiles,
    QuantizationJob,
)
from singleshot.exporting.formats.litert import convert as litert
from singleshot.exporting.quantization.settings import ladder_of

__all__ = ["FORMAT", "TARGETS", "compile_model"]

FILE = "model_vela.tflite"
DEFAULT_TARGET = "ethos-u55-256"
TARGETS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
_OPERATORS = re.compile(r"^(CPU|NPU) operators = (\d+)", re.MULTILINE)


def convert(job: ExportJob) -> ModelFiles:
    """Write model.tflite in float32, which int8 continues from."""
    return litert.convert(job)


def _quantize(request: QuantizationJob) -> ModelFiles:
    """Write model.tflite in int8, and model_vela.tflite."""
    from singleshot.exporting.formats.litert.quantize import quantize_litert

    files = quantize_litert(request)
    job = request.job
    name, target = files.names[0], job.target or DEFAULT_TARGET
    estimates = compile_model(job.folder / name, target, job.folder / FILE)
    return replace(files, names=(name, FILE), estimates=estimates)


def compile_model(file: Path, target: str, compiled: Path) -> dict[str, Any]:
    """Compile a LiteRT model in int8, and return Vela's estimates.

    Raises:
        ModelError: operators are left to the processor.
        RunFailed: Vela failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "ethosu.vela", str(file), "--accelerator-config", target]
        printed = run_program([*words, "--output-dir", folder], "vela")
        made = Path(folder, f"{file.stem}_vela.tflite")
        if not made.is_file():
            raise RunFailed(f"vela failed: it wrote no {made.name}")
        operators = {kind: int(number) for kind, number in _OPERATORS.findall(printed)}
        if operators.get("CPU", 0):
            raise ModelError(
                f"target: {target} cannot compute {operators['CPU']} operators of this network"
            )
        compiled.write_bytes(made.read_bytes())
        (summary,) = Path(folder).glob("*_summary_*.csv")
        return {"operators_on_npu": operators.get("NPU", 0), **_read_summary(summary)}


def _read_summary(path: Path) -> dict[str, Any]:
    """Read what Vela estimates: time, cycles, and memory by its kind."""
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    clock = float(row["core_clock"])
    memory = ("sram", "dram", "on_chip_flash", "off_chip_flash")
    used = {f"{kind}_kib": round(float(row[f"{kind}_memory_used"]), 1) for kind in memory}
    return {
        "clock_mhz": clock / 1e6,
        "inference_ms": round(float(row["inference_time"]) * 1e3, 3),
        "cycles": int(float(row["cycles_total"])),
        **{name: number for name, number in used.items() if number},
    }


FORMAT = ExportFormat(
    name="vela",
    about="Arm's Ethos-U, by Vela",
    contracts=("raw",),
    extra="vela",
    modules=("ai_edge_litert", "ai_edge_quantizer", "ethosu"),
    convert=convert,
    runtime="ai-edge-litert",
    note="`model_vela.tflite` is the one for the NPU; `detect.py` runs `model.tflite`, of the "
    "same numbers, on any processor.",
    pixels="normalized",
    targets=TARGETS,
    int8=Int8Support(_quantize, ladder_of("minmax", "mean"), mixed_precision=False),
    only_int8=True,
)
