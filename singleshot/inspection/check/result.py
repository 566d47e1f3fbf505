"""All findings of a check by kind, and the JSON of `data check --json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singleshot.data.dataset import DataSet
from singleshot.data.findings import KINDS, Finding, Findings, Severity
from singleshot.inspection.check.explanations import EXPLANATIONS, severity_of, title_of

__all__ = ["CheckResult", "FixedCopy", "FoundKind"]

_ORDER: Sequence[Severity] = ("error", "change", "note")


@dataclass(frozen=True)
class FoundKind:
    """All findings of one kind."""

    kind: str  # key of findings.KINDS
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """Return whether it spoils a training, is corrected by the reader, or is worth knowing."""
        return severity_of(self.kind)

    @property
    def title(self) -> str:
        """Count what was found: "2 boxes without area"."""
        return title_of(self.kind, len(self.findings))

    @property
    def consequence(self) -> str:
        """Describe the effect on a training or on the numbers."""
        return EXPLANATIONS[self.kind].consequence

    @property
    def remedy(self) -> str:
        """Describe what to do; "" where nothing has to be done."""
        return EXPLANATIONS[self.kind].remedy

    def to_json(self) -> dict[str, Any]:
        """Plain values of all findings."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "count": len(self.findings),
            "title": self.title,
            "consequence": self.consequence,
            "remedy": self.remedy,
            "places": [
                {
                    "place": one.place,
                    "detail": one.detail,
                    "images": [path for path in (one.image, *one.others) if path],
                    "boxes": [list(box) for box in one.boxes],
                }
                for one in self.findings
            ],
        }


@dataclass(frozen=True)
class FixedCopy:
    """A corrected copy, as `--fix` writes it."""

    folder: Path
    images: int
    objects: int
    changes: int  # lines of its log
    not_fixed: tuple[str, ...]  # titles of the findings that the copy still has

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "folder": str(self.folder),
            "images": self.images,
            "objects": self.objects,
            "changes": self.changes,
            "not_fixed": list(self.not_fixed),
        }


@dataclass(frozen=True)
class CheckResult:
    """Result of one check."""

    data: str  # what was checked, in words
    images: int  # that can be used
    objects: int
    classes: int
    kinds: tuple[FoundKind, ...]  # the most serious first
    skipped: tuple[str, ...]  # what was not checked, and why
    fixed: FixedCopy | None = None

    @classmethod
    def of(cls, dataset: DataSet, findings: Findings, skipped: Sequence[str]) -> CheckResult:
        """Group findings by kind, in the order of their severity."""
        by_kind: dict[str, list[Finding]] = {}
        for one in findings:
            by_kind.setdefault(one.kind, []).append(one)
        order = list(KINDS)
        kinds = sorted(
            by_kind, key=lambda kind: (_ORDER.index(severity_of(kind)), order.index(kind))
        )
        return cls(
            data=dataset.description,
            images=len(dataset),
            objects=len(dataset.truths),
            classes=len(dataset.class_names),
            kinds=tuple(FoundKind(kind, tuple(by_kind[kind])) for kind in kinds),
            skipped=tuple(skipped),
        )

    @property
    def spoils_training(self) -> bool:
        """Return whether something would stop or spoil a training, or make its numbers untrue."""
        return any(one.severity == "error" for one in self.kinds)

    def count(self, severity: Severity) -> int:
        """Count the kinds of findings that are so serious."""
        return sum(one.severity == severity for one in self.kinds)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.data,
            "images": self.images,
            "objects": self.objects,
            "classes": self.classes,
            "spoils_training": self.spoils_training,
            "findings": [one.to_json() for one in self.kinds],
            "skipped": list(self.skipped),
            "fix": None if self.fixed is None else self.fixed.to_json(),
        }
