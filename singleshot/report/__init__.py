"""One page that shows what a detector is worth; it opens from disk and needs nothing else."""

from singleshot.report.gallery import Exhibit
from singleshot.report.page import Page, write_report

__all__ = ["Exhibit", "Page", "write_report"]
