"""The tutorial's tables rebuilt: what can be measured here, beside what was published."""

import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from singleshot.comparison.compare import Entry, Model, Progress, enter_all, stand
from singleshot.comparison.contest import Machine
from singleshot.comparison.published import System, Tutorial, published_figures, read_tutorial
from singleshot.comparison.speed import Job, Measured, Turns, measure_in_turns
from singleshot.comparison.standings import Estimate
from singleshot.comparison.tutorial_page import write_tutorial
from singleshot.comparison.tutorial_tables import MeasuredSystem, OwnRun, TutorialResult
from singleshot.data.dataset import DataSet
from singleshot.errors import SingleshotError
from singleshot.evaluation.evaluate import measured_data
from singleshot.evaluation.options import OnMessage, Wanted
from singleshot.files import require_writable, write_atomically
from singleshot.metrics import Protocol
from singleshot.models.opening import checkpoint_file
from singleshot.recipes.load import recipe_files
from singleshot.runs.places import Data, listed
from singleshot.version import __version__

__all__ = ["compare_with_tutorial"]

NUM_CLASSES = 20  # VOC's
# One network after the other in memory: all at full size would not fit into that of a laptop.
TURNS = Turns({1: 2}, rounds=3, longest=15.0, forget=True, describe=True, go_on=True)
NUM_IMAGES = 6
HEIGHT, WIDTH = 375, 500  # of most of VOC's images
MADE_UP = f"made-up images of {WIDTH} × {HEIGHT}"


def compare_with_tutorial(
    models: Mapping[str, str | Path] | None = None,
    data: Data | None = None,
    *,
    systems: Sequence[str] | None = None,
    split: str | None = None,
    protocol: str | Protocol = Protocol.COCO,
    progress: Progress | None = None,
    on_message: OnMessage | None = None,
    report: str | Path | None = None,
) -> TutorialResult:
    """Build every system of the tutorial at its paper's input, and measure what can be measured.

    Accuracy is the published figure, since nothing is trained here; the runs given are judged on
    the data given, and stand beside it.

    Args:
        models: run folders or checkpoints of some of the systems, by the name of the recipe.
        data: annotated images to judge the runs on, and to time networks on.
        systems: recipes of those to measure; left out, all that there are recipes for.
        split: which images; left out, `test`, else `val`, else all.
        protocol: whose rules the runs are judged by.
        progress: told of (detections done, detections in all), counted in images.
        on_message: called with what is being done.
        report: a folder for `report.html`, a page that needs no other file, and `tutorial.json`.

    Raises:
        SingleshotError: one of its kinds, when something given cannot be used.
    """
    wanted = Wanted.of(
        split=split,
        protocol=protocol,
        iou_threshold=0.5,
        report=report,
        on_message=on_message,
    )
    if wanted.page is not None:
        require_writable(wanted.page.with_name("tutorial.json"))
    tutorial = read_tutorial()
    runs = {} if models is None else dict(models)
    require_known(tutorial, [*runs, *(systems or ())])
    if runs and data is None:
        raise SingleshotError("say which images to judge the runs on: --data DATA")
    dataset = (
        None if data is None else measured_data(data, split, wanted.on_message, class_names=None)
    )
    judged = {} if dataset is None else judge_runs(runs, dataset, wanted, progress)
    measured = measure_systems(tutorial, systems, dataset, wanted.on_message)
    result = TutorialResult(
        tutorial=tutorial,
        systems={
            one.recipe: as_measured(one, measured.get(one.recipe), judged.get(one.recipe))
            for one in tutorial.systems
        },
        machine=Machine(**next(iter(measured.values())).machine),
        num_classes=NUM_CLASSES,
        images=MADE_UP if dataset is None else dataset.description,
        data=dataset.description if dataset is not None and runs else "",
        protocol=wanted.protocol.value,
        published=tuple(published_figures()),
    )
    if wanted.page is not None:
        command = command_line(runs, data, wanted)
        write_tutorial(result, wanted.page, command=command, version=__version__)
        with write_atomically(wanted.page.with_name("tutorial.json")) as beside:
            beside.write_text(json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n")
    return result


def require_known(tutorial: Tutorial, names: Sequence[str]) -> None:
    """Raises SingleshotError for a name that is none of the tutorial's systems."""
    known = [system.recipe for system in tutorial.systems]
    if not names:
        raise SingleshotError(f"name a system of the tutorial at least: {', '.join(known)}")
    for name in names:
        if name not in known:
            raise SingleshotError(f"{name!r} is no system of the tutorial: {', '.join(known)}")


def judge_runs(
    runs: Mapping[str, str | Path], dataset: DataSet, wanted: Wanted, progress: Progress | None
) -> dict[str, OwnRun]:
    """What runs reach on the data set, all on the same draws of its images."""
    if not runs:
        return {}
    paths = {name: Path(path) for name, path in runs.items()}
    models = [Model(name, path, checkpoint_file(path)) for name, path in paths.items()]
    entries = enter_all(models, dataset, wanted, progress)
    estimates = stand(entries, dataset, wanted).estimates
    return {
        entry.model.name: own_run(entry, estimate)
        for entry, estimate in zip(entries, estimates, strict=True)
    }


def own_run(entry: Entry, estimate: Estimate) -> OwnRun:
    """What stands beside the published figure."""
    return OwnRun(str(entry.model.path), entry.summary.input, estimate, entry.coco.AP50)


def measure_systems(
    tutorial: Tutorial,
    systems: Sequence[str] | None,
    dataset: DataSet | None,
    on_message: OnMessage,
) -> dict[str, Measured]:
    """Build and time the networks that there are recipes for."""
    wanted = [
        system.recipe
        for system in tutorial.systems
        if system.recipe in recipe_files() and (systems is None or system.recipe in systems)
    ]
    with tempfile.TemporaryDirectory() as folder:
        images = made_up(Path(folder)) if dataset is None else some_images(dataset)
        jobs = [Job(name, images, recipe=name, num_classes=NUM_CLASSES) for name in wanted]
        measured = measure_in_turns(jobs, TURNS, on_message)
    return dict(zip(wanted, measured, strict=True))


def some_images(dataset: DataSet) -> list[Path]:
    """From all over the data set."""
    places = np.linspace(0, len(dataset) - 1, min(NUM_IMAGES, len(dataset))).round().astype(int)
    return [Path(str(dataset.paths[place])) for place in places]


def made_up(folder: Path) -> list[Path]:
    """Discs and boxes in many colours, so that there is something to search for."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(NUM_IMAGES):
        image = Image.new("RGB", (WIDTH, HEIGHT), tuple(random.integers(60, 200, 3).tolist()))
        canvas = ImageDraw.Draw(image)
        for shape in range(60):
            x, y = random.integers(0, WIDTH), random.integers(0, HEIGHT)
            width, height = random.integers(12, 140, 2)
            draw = canvas.ellipse if shape % 2 else canvas.rectangle
            box = (int(x), int(y), int(x + width), int(y + height))
            draw(box, fill=tuple(random.integers(0, 256, 3).tolist()))
        paths.append(folder / f"{number}.png")
        image.save(paths[-1])
    return paths


def as_measured(system: System, measured: Measured | None, run: OwnRun | None) -> MeasuredSystem:
    """A system with what is known of it."""
    nothing = measured is None or not measured.rounds
    missing = "not measured in this run" if system.recipe in recipe_files() else "no recipe yet"
    if measured is not None:
        missing = measured.failure
    speed = None if measured is None or nothing else measured.speeds[0]
    summary = {} if measured is None else measured.summary
    return MeasuredSystem(
        system=system,
        missing=missing,
        input=tuple(summary["input"]) if summary else None,
        num_boxes=summary.get("num_boxes"),
        parameters=summary.get("parameters"),
        macs=summary.get("macs"),
        speed=speed,
        memory_mb=None if measured is None else measured.memory_mb,
        run=run,
    )


def command_line(runs: Mapping[str, str | Path], data: Data | None, wanted: Wanted) -> str:
    """What to type to be told the same again."""
    words = ["singleshot", "compare", "--tutorial"]
    words += [f"{name}={path}" for name, path in runs.items()]
    words += [
        word for one in ([] if data is None else listed(data)) for word in ("--data", str(one))
    ]
    options = {
        "--split": wanted.split,
        "--protocol": wanted.protocol.value,
        "--report": wanted.report,
    }
    words += [
        word for name, value in options.items() if value is not None for word in (name, str(value))
    ]
    return shlex.join(words)
