"""One page that shows what a detector is worth; it opens from disk and needs nothing else."""

from singleshot.report.gallery import (
    Crop,
    Gallery,
    Place,
    Wanted,
    choose_galleries,
    choose_suspects,
    crop,
)
from singleshot.report.page import Page, Showcase, write_report
from singleshot.report.pictures import Exhibit, exhibit

__all__ = [
    "Crop",
    "Exhibit",
    "Gallery",
    "Page",
    "Place",
    "Showcase",
    "Wanted",
    "choose_galleries",
    "choose_suspects",
    "crop",
    "exhibit",
    "write_report",
]
