"""The tables `model.matching`, `model.loss` and `training.distillation`: what is learned from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from singleshot.settings import Count, Fraction, Positive, Settings

__all__ = ["DistillationSettings", "LossSettings", "MatchingSettings"]

# What each rule's paper found to be good; the bipartite rule has no candidates.
CANDIDATES = {"bipartite": 0, "atss": 9, "task-aligned": 13, "simota": 10}


class MatchingSettings(Settings):
    """Which priors learn which objects."""

    rule: Literal["bipartite", "atss", "task-aligned", "simota"] = Field(
        "bipartite",
        description="'bipartite': the paper's; 'atss': a threshold for each object (Zhang et al. "
        "2020); 'task-aligned' (Feng et al. 2021) and 'simota' (Ge et al. 2021): by what the "
        "network predicts",
    )
    iou_threshold: Fraction = Field(
        0.5, description="bipartite: from this overlap on a prior learns an object"
    )
    candidates: Count | None = Field(
        None,
        description="priors an object chooses from; left out, as many as the paper's: 'atss': of 9 "
        "cells at each level, 'task-aligned': 13, 'simota': 10",
    )
    negatives_per_positive: Positive = Field(
        3.0, description="hard negatives for each matched prior"
    )
    min_negatives: int = Field(
        0, ge=0, description="hard negatives of an image at least, objects or not"
    )

    @property
    def num_candidates(self) -> int:
        """As given, or the paper's."""
        return self.candidates or CANDIDATES[self.rule]


class LossSettings(Settings):
    """What is minimised."""

    classification: Literal["mined", "focal", "quality-focal", "varifocal"] = Field(
        "mined",
        description="'mined': cross-entropy on matches and the hardest negatives, the paper's; "
        "the others on all priors: 'focal' (Lin et al. 2017), 'quality-focal' (Li et al. 2020), "
        "'varifocal' (Zhang et al. 2021)",
    )
    localization: Literal["smooth-l1", "giou", "diou", "ciou"] = Field(
        "smooth-l1", description="'smooth-l1' of the offsets, the paper's, or of the boxes' overlap"
    )
    localization_weight: Positive = Field(1.0, description="of localization, in the sum")
    label_smoothing: Fraction = Field(
        0.0, description="of mined cross-entropy: what is taken from the true class"
    )


class DistillationSettings(Settings):
    """What a teacher's word counts, where there is one (--teacher)."""

    weight: float = Field(
        1.0, ge=0, description="of what the teacher says, in the sum; the labels have 1"
    )
    score_threshold: Fraction = Field(
        0.3,
        description="of a teacher with other priors: what it finds with a lower score is left out",
    )
