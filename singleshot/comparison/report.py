"""What a comparison leaves behind: a page, and the same for programs."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from singleshot.comparison.contest import Contest
from singleshot.comparison.page import ComparisonPage, write_comparison
from singleshot.comparison.side_by_side import Shown, errors_of_images, most_disputed, shown
from singleshot.data.dataset import DataSet
from singleshot.data.images import read_image
from singleshot.evaluation import truths_of
from singleshot.evaluation.options import Wanted
from singleshot.evaluation.report import of_image, truths_of_image
from singleshot.files import write_atomically
from singleshot.metrics import Predictions, Report
from singleshot.version import __version__

__all__ = ["command_line", "write_contest"]

SEED = 0  # the same images each time, so that two reports can be laid side by side
NUM_OF_EACH = 3
MOST_NAMED = 3  # in a title


def write_contest(
    contest: Contest,
    dataset: DataSet,
    found: Sequence[Predictions],
    reports: Sequence[Report],
    path: Path,
    *,
    command: str,
) -> None:
    """The page, and beside it `comparison.json`; `found` and `reports` of each detector."""
    at_random, disputed = shown_images(dataset, found, reports)
    page = ComparisonPage(
        title=title_of(contest),
        contest=contest,
        at_random=at_random,
        disputed=disputed,
        class_names=dataset.class_names,
        command=command,
        version=__version__,
    )
    write_comparison(page, path)
    with write_atomically(path.with_name("comparison.json")) as beside:
        beside.write_text(json.dumps(contest.to_json(), indent=2, allow_nan=False) + "\n")


def title_of(contest: Contest) -> str:
    """The names of a few, the number of many."""
    names = [one.name for one in contest.contenders]
    return " · ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} detectors"


def shown_images(
    dataset: DataSet, found: Sequence[Predictions], reports: Sequence[Report]
) -> tuple[list[Shown], list[Shown]]:
    """Images at random, and others that the detectors differ about most."""
    truths, first = truths_of(dataset), reports[0]
    thresholds = [report.score_thresholds for report in reports]
    errors = np.stack(
        [
            errors_of_images(
                one,
                truths,
                own,
                protocol=first.protocol,
                iou_threshold=first.iou_threshold,
            )
            for one, own in zip(found, thresholds, strict=True)
        ]
    )
    disputed = most_disputed(errors, NUM_OF_EACH)
    random = torch.Generator().manual_seed(SEED)
    drawn = torch.randperm(len(dataset), generator=random).tolist()
    at_random = [image for image in drawn if image not in disputed][:NUM_OF_EACH]

    def show(image: int) -> Shown:
        path = str(dataset.paths[image])
        return shown(
            path,
            read_image(Path(path)),
            [of_image(one, image) for one in found],
            truths_of_image(dataset, image),
            thresholds,
            protocol=first.protocol,
            iou_threshold=first.iou_threshold,
        )

    return [show(image) for image in at_random], [show(image) for image in disputed]


def command_line(
    wanted: Wanted,
    paths: Sequence[Path],
    data: Sequence[Path],
    speed_images: int,
    *,
    published: bool,
) -> str:
    """What to type to be told the same again."""
    options = {
        "--split": wanted.split,
        "--protocol": wanted.protocol.value,
        "--iou-threshold": wanted.iou_threshold,
        "--speed-images": speed_images,
        "--report": wanted.report,
    }
    given = [(name, str(value)) for name, value in options.items() if value is not None]
    words = ["singleshot", "compare", *map(str, paths)]
    words += [word for one in data for word in ("--data", str(one))]
    words += [word for pair in given for word in pair]
    return shlex.join([*words, *(["--published"] if published else [])])
