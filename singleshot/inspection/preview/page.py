"""The page of a preview: each image once, with boxes as vectors over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from singleshot.files import write_atomically
from singleshot.inspection.preview.figures import OUTLINED, object_colour
from singleshot.inspection.preview.scene import LevelScene, SampleScene
from singleshot.report.images import data_uri
from singleshot.report.page import environment

__all__ = ["PreviewPage", "write_preview_page"]


@dataclass(frozen=True)
class PreviewPage:
    """Content of a page."""

    recipe: str
    data: str
    class_names: Sequence[str]
    scenes: Sequence[SampleScene]
    model: str | None  # whose negatives are shown
    command: str
    version: str


def write_preview_page(page: PreviewPage, path: Path) -> Path:
    """Write one HTML file that needs no other and no network."""
    filled = environment(Path(__file__).parent)
    filled.filters |= {"file_names": _file_names, "grid_path": _grid_path, "colour": _colour}
    text = filled.get_template("preview.html").render(
        page=page,
        samples=[(scene, data_uri(scene.sample.image)) for scene in page.scenes],
        outlined=OUTLINED,
        has_priors=any(scene.num_priors for scene in page.scenes),
        size=page.scenes[0].sample.image.shape[-2:],
    )
    with write_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def _file_names(name: str) -> str:
    """Shorten the paths of the images that a sample is made of."""
    return " + ".join(PurePath(part).name for part in name.split(" + "))


def _grid_path(level: LevelScene, size: Sequence[int]) -> str:
    """Write the lines between the cells of a level as one SVG path; `size` is (height, width)."""
    height, width = size
    down = (f"M{x:g} 0V{height}" for x in level.columns)
    across = (f"M0 {y:g}H{width}" for y in level.rows)
    return "".join([*down, *across])


def _colour(number: int) -> str:
    """Write the colour of an object."""
    return "#{:02x}{:02x}{:02x}".format(*object_colour(number))
