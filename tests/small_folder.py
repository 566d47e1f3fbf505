"""Folders of exported detectors without a model in them, and C++ programs built from them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.detector import TrainableDetector
from singleshot.exporting.contracts import PixelForm, contract_network
from singleshot.exporting.record import describe_decoding, describe_detector
from singleshot.runtimes.manifest import Contract, Manifest, PostprocessingNumbers

__all__ = ["COMPILERS", "Compiler", "outputs_of", "small_manifest"]

WARNINGS = "-std=c++17 -Wall -Wextra -Werror -Wconversion -Wsign-conversion -Wshadow -pedantic"


class Compiler(NamedTuple):
    """A compiler of C++, and what runs its programs here."""

    name: str
    flags: tuple[str, ...]
    runner: tuple[str, ...] = ()

    def build(self, source: Path, program: Path, *flags: str, timeout: int = 240) -> list[str]:
        """Compile with all warnings as errors, and return how to run the program."""
        for needed in (self.name, *self.runner):
            if shutil.which(needed) is None:
                pytest.skip(f"needs {needed}, which is not installed")
        command = [self.name, *WARNINGS.split(), *self.flags, *flags, str(source)]
        done = subprocess.run(
            [*command, "-o", str(program)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [*self.runner, str(program)]


SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMPILERS = (
    Compiler("g++", SANITIZED),
    Compiler("clang++", SANITIZED),
    Compiler("aarch64-linux-gnu-g++", ("-O3", "-static"), ("qemu-aarch64",)),
)


def small_manifest(
    detector: TrainableDetector,
    contract: Contract = "raw",
    options: PostprocessOptions | None = None,
    *,
    pixels: PixelForm = "uint8",
    **changes: object,
) -> Manifest:
    """Describe a detector as its export does, without a file of a model."""
    exportable = detector.exportable()
    assert exportable is not None
    network = contract_network(exportable, contract, pixels)
    post = options or exportable.postprocessing
    names = PostprocessingNumbers.model_fields
    manifest = Manifest(
        singleshot="0",
        format="onnx",
        contract=contract,
        class_names=exportable.class_names,
        input=network.input(1),
        outputs=network.outputs(1),
        decoding=describe_decoding(exportable),
        postprocessing=PostprocessingNumbers(**{name: getattr(post, name) for name in names}),
        detector=describe_detector(detector),
    )
    return manifest.model_copy(update=changes)


@torch.no_grad()
def outputs_of(
    detector: TrainableDetector, contract: Contract, images: Sequence[Tensor]
) -> list[dict[str, np.ndarray]]:
    """Run the network of a contract on resized images (3, h, w): its outputs by name."""
    exportable = detector.exportable()
    assert exportable is not None
    network = contract_network(exportable, contract, "float32")
    names = [output.name for output in network.outputs(1)]
    return [
        {name: output.numpy() for name, output in zip(names, network(image[None]), strict=True)}
        for image in images
    ]
