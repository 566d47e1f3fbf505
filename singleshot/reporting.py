"""From an evaluation to the page that shows it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from singleshot.data.dataset import DataSet
from singleshot.evaluation import class_curves, pictures_to_show
from singleshot.metrics import Predictions, Report
from singleshot.report import Exhibit, Page, write_report
from singleshot.training.log import read_log
from singleshot.training.run_folder import RunFolder
from singleshot.version import __version__

__all__ = ["report_on"]

# The same pictures each time, so that two reports on one data set can be laid side by side.
SEED = 0


def report_on(
    predictions: Predictions,
    dataset: DataSet,
    *,
    report: Report,
    model: str,
    command: str,
    path: Path,
) -> Path:
    """Write one self-contained page; of a run it also shows the training and the recipe."""
    random = torch.Generator().manual_seed(SEED)
    shown = pictures_to_show(predictions, dataset, report, random=random)
    folder = RunFolder(Path(model))
    recipe = folder.recipe.read_text(encoding="utf-8") if folder.recipe.is_file() else ""
    page = Page(
        title=Path(model).name,
        data=dataset.description,
        report=report,
        curves=class_curves(predictions, dataset, protocol=report.protocol),
        exhibits=exhibits(predictions, dataset, shown),
        log=read_log(folder.log),
        recipe=recipe,
        command=command,
        version=__version__,
    )
    return write_report(page, path)


def exhibits(predictions: Predictions, dataset: DataSet, indices: Sequence[int]) -> list[Exhibit]:
    """Pictures with what is in them and what was found."""
    chosen = []
    for index in indices:
        sample = dataset[index]
        found = predictions.of_image(index)
        chosen.append(Exhibit(sample.name, sample.image, sample.truth, found))
    return chosen
