"""Check a data set: read it, look for what spoils a training, fix a copy, show it on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.data.findings import Finding, Findings
from singleshot.data.image_files.headers import ImageHeader
from singleshot.data.object_checks import check_objects
from singleshot.data.opening import read_with_findings
from singleshot.files import require_outside
from singleshot.inspection.check.images import check_duplicates, check_headers
from singleshot.inspection.check.options import CheckOptions
from singleshot.inspection.check.result import CheckResult
from singleshot.inspection.check.splits import Members, check_splits, read_members
from singleshot.options import takes

__all__ = ["Checked", "check_dataset"]

_NO_IMAGES = "found no images"  # how the reader's remark begins


@dataclass
class Checked:
    """A data set with what was found in it."""

    path: Path
    dataset: DataSet
    findings: Findings
    headers: Mapping[str, ImageHeader]  # of the images, by their paths; empty without images
    members: Members = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def index_of(self) -> dict[str, int]:
        """Map the paths of images to their indices."""
        return {path: index for index, path in enumerate(self.dataset.paths)}

    def broken(self) -> set[str]:
        """List the images that cannot be decoded."""
        return {one.image for one in self.findings if one.kind == "broken-image"}


@takes(CheckOptions)
def check_dataset(data: str | Path, options: CheckOptions) -> CheckResult:
    """Check a data set for what would stop or spoil a training, or make its numbers untrue.

    Args:
        data: a folder or file of annotated images. Of a COCO JSON file alone, without its images,
            the annotations are checked.

    Raises:
        DataError: there is no data set, no such split, or a file of annotations is broken.
        StorageError: the copy or the page cannot be written.
    """
    with options.displayed() as shown:
        return _check(Path(data), shown)


def _check(path: Path, options: CheckOptions) -> CheckResult:
    """Check as `check_dataset` does, with the functions of a display."""
    if options.fix is not None:
        require_outside(Path(options.fix), path)
    checked = _read(path, options)
    of_objects = check_objects(checked.dataset)
    kinds = {one.kind for one in checked.findings}
    # Fractions taken for pixels are tiny as well.
    checked.findings.extend(
        one for one in of_objects if "fractions" not in kinds or one.kind != "tiny"
    )
    check_headers(checked.headers, checked.findings)
    check_splits(checked.dataset, checked.members, checked.findings)
    _check_pixels(checked, options)
    checked.findings = _with_places(checked.findings, path)
    result = CheckResult.of(checked.dataset, checked.findings, checked.skipped)
    if options.fix is not None:
        # Imports what writes images.
        from singleshot.inspection.check.fixing import write_fixed_copy  # noqa: PLC0415

        result = replace(result, fixed=write_fixed_copy(checked, result, options))
    if options.page is not None:
        # Imports torchvision.
        from singleshot.inspection.check.page import write_check_page  # noqa: PLC0415

        write_check_page(
            result, checked.dataset, options.to_command("data check", path), options.page
        )
    return result


def _read(path: Path, options: CheckOptions) -> Checked:
    """Read the data set, and which images its splits have."""
    headers: dict[str, ImageHeader] = {}
    dataset, findings = read_with_findings(
        path,
        options.split,
        options.reading,
        images="optional" if path.is_file() else "required",
        headers=headers,
    )
    checked = Checked(path, dataset, findings, headers)
    _note_absent_images(checked)
    if not len(dataset) and all(one.kind != "no-images" for one in findings):
        findings.add("no-usable-image", dataset.description)
    if options.split is None:
        checked.members = read_members(path, dataset, options.reading, findings)
    return checked


def _note_absent_images(checked: Checked) -> None:
    """Note that a file of annotations is checked without its images."""
    absent = [
        one for one in checked.findings if one.kind == "reader" and one.place.startswith(_NO_IMAGES)
    ]
    checked.findings.found = [one for one in checked.findings if one not in absent]
    checked.skipped += [f"{one.place}: images and their sizes are not checked" for one in absent]


def _with_places(findings: Findings, path: Path) -> Findings:
    """Name files from the folder of the data set, and state the boxes that a place leaves out."""
    folder = f"{path if path.is_dir() else path.parent}/"
    return Findings(
        [
            replace(one, place=one.place.removeprefix(folder), detail=one.detail or _box_of(one))
            for one in findings
        ]
    )


def _box_of(finding: Finding) -> str:
    """Write the box of a finding whose place has only its number."""
    if not finding.boxes or " at (" in finding.place:
        return ""
    return f"({', '.join(f'{side:g}' for side in finding.boxes[0])})"


def _check_pixels(checked: Checked, options: CheckOptions) -> None:
    """Do what decodes the images: duplicates, and the model's opinion."""
    if not checked.headers:
        return
    if options.quick:
        checked.skipped.append("--quick: duplicates and damage within images are not looked for")
    else:
        check_duplicates(
            checked.dataset,
            checked.members,
            checked.headers,
            checked.findings,
            options.notify_progress,
        )
    if options.model is not None:
        # Imports timm.
        from singleshot.inspection.check.labels import check_labels  # noqa: PLC0415

        broken = checked.broken()
        kept = [
            index
            for index, path in enumerate(checked.dataset.paths.tolist())
            if path in checked.headers and path not in broken
        ]
        dataset = checked.dataset
        if len(kept) < len(dataset):
            dataset = dataset.subset(kept, description=dataset.description)
        check_labels(dataset, str(options.model), options, checked.findings)
