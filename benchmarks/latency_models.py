"""Detectors whose latency is measured: imported or with random weights, exported to all runtimes.

Random weights alone would find every box likely, or none. Their logits are spread and the
background raised until so many scores are above the threshold as a detector that was trained on
COCO has on COCO's images (measured: 1,250 above 0.01, 10,700 above 0.001, medians of 25 images).
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.ssd import SSD

import singleshot
from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.data.image_files.decoding import image_size, read_image
from singleshot.detectors.common.resize import resize
from singleshot.families import build_detector
from singleshot.recipes.load import load_recipe
from singleshot.runs.folder import RunFolder

__all__ = ["Exports", "copy_images", "export_all", "imported", "random_run", "torchvision_pair"]

CANDIDATES = {0.01: 1250, 0.001: 10_700}
SPREAD = 2.0  # standard deviation of logits
MOST_RAISED = 30.0
NUM_IMAGES = 20
SIZE = (480, 640)
# Format, precision, options of `export`.
VARIANTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("onnx", "float32", ()),
    ("onnx", "int8", ("--int8",)),
    ("openvino", "float32", ()),
    ("openvino", "bfloat16", ("--half",)),
    ("openvino", "int8", ("--int8",)),
    ("litert", "float32", ()),
    ("litert", "int8", ("--int8",)),
)
# With random weights there is no AP to lose.
NO_GATE = ["--max-drop", "100", "--max-error", "100", "--calibration-images", "32"]


@dataclass(frozen=True)
class Exports:
    """A run and what it was exported to, by format and precision."""

    run: Path
    folders: dict[tuple[str, str], Path]
    missing: dict[tuple[str, str], str]  # why


def copy_images(source: Path | None, folder: Path) -> list[Path]:
    """Copy images of 640 × 480 pixels, or draw some where there is no source."""
    folder.mkdir(parents=True, exist_ok=True)
    if found := sorted(folder.iterdir()):
        return found
    if source is None:
        return draw_sample_images(folder, NUM_IMAGES, SIZE)
    fitting = [path for path in sorted(source.rglob("*.jpg")) if image_size(path) == SIZE]
    return [Path(shutil.copy(path, folder)) for path in fitting[:NUM_IMAGES]]


def imported(weights: Path, folder: Path) -> Path:
    """Import weights of another library, once."""
    run = folder / "run"
    if not (run / "recipe.toml").exists():
        singleshot.import_model(weights, output=run)
    return run


def random_run(
    recipe: str, class_names: Sequence[str], images: Sequence[Path], folder: Path
) -> Path:
    """Write a run of a recipe with random weights, once."""
    run = RunFolder(folder / "run")
    if run.recipe.exists():
        return run.path
    torch.manual_seed(0)
    loaded = load_recipe(recipe)
    detector = build_detector(loaded.model, class_names, pretrained=False)
    exportable = detector.exportable()
    assert exportable is not None
    size, how, columns = exportable.input_size, exportable.resize, exportable.num_columns
    inputs = torch.stack([resize(read_image(path), size, how) for path in images[:4]])

    estimate_norms(detector, lambda: detector(inputs.float()))

    def logits() -> list[Tensor]:
        copy = detector.exportable()
        assert copy is not None
        outputs = copy.network(detector.normalise(inputs))[len(copy.levels) :]
        return [one.permute(0, 2, 3, 1).reshape(-1, columns) for one in outputs]

    names = dict.fromkeys(name.rpartition(".")[0] for name in detector.class_tensors())
    layers = [detector.get_submodule(name) for name in names]
    spread_scores(layers, logits, columns, exportable.postprocessing.score_threshold)
    weights = {name: tensor.contiguous() for name, tensor in detector.state_dict().items()}
    Checkpoint(weights, loaded, tuple(class_names), {"steps": 0}).save(run.last)
    run.begin(loaded)
    return run.path


def torchvision_pair(images: Sequence[Path], folder: Path) -> tuple[SSD, Path]:
    """Build torchvision's SSDLite with random weights, and import the same weights."""
    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    heads = model.head.classification_head
    inputs, _ = model.transform([read_image(path) / 255 for path in images[:4]])

    estimate_norms(model, lambda: heads(list(model.backbone(inputs.tensors).values())))

    def logits() -> list[Tensor]:
        levels = list(model.backbone(inputs.tensors).values())
        layers = zip(heads.module_list, levels, strict=True)
        outputs = [layer(level) for layer, level in layers]
        return [one.permute(0, 2, 3, 1).reshape(-1, heads.num_columns) for one in outputs]

    layers = [one[-1] for one in heads.module_list]
    spread_scores(layers, logits, heads.num_columns, model.score_thresh)
    run = folder / "run"
    if not (run / "recipe.toml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), folder / "torchvision.pth")
        singleshot.import_model(folder / "torchvision.pth", output=run)
    return model, run


@torch.no_grad()
def estimate_norms(model: nn.Module, forward: Callable[[], object]) -> None:
    """Set the statistics of batch norm to those of some images.

    With those that it begins with, features vanish in a deep network, and outputs are noise.
    """
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # the average of all batches
        one.train()
    forward()
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum
        one.eval()


@torch.no_grad()
def spread_scores(
    layers: Sequence[nn.Module],
    logits: Callable[[], list[Tensor]],
    columns: int,
    threshold: float,
) -> None:
    """Change the last layers of the class outputs: some scores above the threshold, most not.

    Args:
        layers: those convolutions, one a level.
        logits: computes their outputs (n, columns), one a level, background first.
        columns: outputs of a prior.
        threshold: the score that so many are to be above as in `CANDIDATES`.
    """
    for layer, own in zip(layers, logits(), strict=True):
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        layer.weight *= SPREAD / own.std().clamp(min=1e-6)
        layer.bias.zero_()
    values = torch.cat(logits())
    low, high = -MOST_RAISED, MOST_RAISED
    for _ in range(30):
        raised = (low + high) / 2
        moved = values.clone()
        moved[:, 0] += raised
        above = int((moved.softmax(dim=1)[:, 1:] > threshold).sum()) / 4  # images
        low, high = (raised, high) if above > CANDIDATES[threshold] else (low, raised)
    for layer in layers:
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        layer.bias.view(-1, columns)[:, 0] += raised


def export_all(
    run: Path, calibration: Path | None, *, trained: bool, formats: Sequence[str]
) -> Exports:
    """Export a run to each runtime and precision, each once; note what cannot be done here."""
    exports = Exports(run, {}, {})
    for to, precision, options in VARIANTS:
        if to not in formats:
            continue
        folder = run.parent / f"{to}-{precision}"
        words = [*options]
        if precision == "int8":
            if calibration is None:
                exports.missing[to, precision] = "no images to calibrate on"
                continue
            words += ["--calibrate", str(calibration)] + ([] if trained else NO_GATE)
        reason = None if folder.exists() else export(run, to, folder, words)
        if reason is None:
            found = json.loads((folder / "model.json").read_text())["precision"]
            reason = None if found == precision else f"was exported as {found}"
        if reason is None:
            exports.folders[to, precision] = folder
        else:
            exports.missing[to, precision] = reason
    return exports


def export(run: Path, to: str, folder: Path, words: Sequence[str]) -> str | None:
    """Export as a user does; returns the reason where it fails."""
    print(f"exporting {folder.parent.name} to {folder.name}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "singleshot", "export", str(run), "--to", to]
    command += ["--output", str(folder), "--skip-timing", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    return (lines or done.stderr.splitlines() or ["it failed"])[-1].removeprefix("Error: ")
