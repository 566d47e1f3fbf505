"""The gradient of a batch: in one go, in parts, and together with other processes.

All of it is the gradient of one loss, that of the whole batch: each part's sums are divided by the
matches of all parts in all processes (paper §2.2, "Training objective": N, "the number of matched
default boxes"). Averaging the losses of parts instead would let the objects of a crowded part count
less.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from singleshot.detectors.detector import TrainableDetector
from singleshot.detectors.ssd.losses.distillation import Lesson
from singleshot.detectors.ssd.matching.targets import Matched, Matches, Normaliser
from singleshot.detectors.ssd.network import Ssd
from singleshot.structures import Batch, Losses
from singleshot.training.precision import Precision, autocast
from singleshot.training.processes import Processes
from singleshot.training.teacher import Teacher

__all__ = ["Gradients"]


class Learning(nn.Module):
    """A model's losses as what passes forward: this is what gradients are joined around."""

    def __init__(self, model: TrainableDetector, processes: Processes) -> None:
        super().__init__()
        self.model = model
        self.processes = processes

    def forward(
        self, batch: Batch, lesson: Lesson | None, known: Matches | None, whole: Normaliser | None
    ) -> Losses:
        """Of a part of a batch; `whole` is None where a rule matches by what the network says."""
        model = self.model
        if not isinstance(model, Ssd):
            return model.losses(batch)

        def join(matched: Matched) -> Matched:
            return matched._replace(whole=self.joined(matched) if whole is None else whole)

        known = None if known is None else known.to(batch.images.device)
        return model.losses(batch, lesson, known=known, join=join)

    def joined(self, matched: Matched) -> Normaliser | None:
        """Matches of this part in all processes; those of other parts are not known yet."""
        if not self.processes.several:
            return None
        (number,) = self.processes.sum(len(matched.prior))
        total_weight = self.processes.add_up(matched.weight.sum()).clamp(min=1)
        return Normaliser(max(number, 1.0), total_weight)


@dataclass
class Gradients:
    """Leaves the gradient of batches in the parameters of a model."""

    model: TrainableDetector
    teacher: Teacher | None
    processes: Processes
    device: torch.device
    precision: Precision
    num_parts: int  # that a process' share of a batch is learned in
    learning: Learning | DistributedDataParallel = field(init=False)

    def __post_init__(self) -> None:
        self.learning = Learning(self.model, self.processes)
        if self.processes.several:
            self.learning = DistributedDataParallel(
                self.learning,
                gradient_as_bucket_view=True,
                # Stages learn one after the other, each some of the parameters.
                find_unused_parameters=not isinstance(self.model, Ssd),
            )
            # Statistics are the same everywhere already, or nobody but one process uses them.
            self.learning.broadcast_buffers = False

    def find(self, batch: Batch) -> Losses:
        """Add the gradient of a batch, or of this process' share; losses are of the whole."""
        parts = batch.parts(self.num_parts)
        known = [self.model.matches(part.truths) for part in parts]
        number = self.number_of(known)
        whole = None if number is None else Normaliser(max(number, 1), max(number, 1))
        found = []
        for place, (part, matches) in enumerate(zip(parts, known, strict=True), start=1):
            with self.gathering(to_be_continued=place < len(parts)):
                found.append(self.learn(part, matches, whole))
        return self.of_all(found, number)

    def number_of(self, known: list[Matches | None]) -> int | None:
        """Matches of the whole batch, where they do not depend on what the network says."""
        numbers = [len(matches.prior) for matches in known if matches is not None]
        return self.total(sum(numbers)) if numbers else None

    def total(self, number: int) -> int:
        """Over all processes."""
        (total,) = self.processes.sum(number)
        return int(total)

    def gathering(self, *, to_be_continued: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged once, with the last part."""
        if to_be_continued and isinstance(self.learning, DistributedDataParallel):
            return self.learning.no_sync()
        return nullcontext()

    def learn(self, part: Batch, known: Matches | None, whole: Normaliser | None) -> Losses:
        """Add the gradient of a part to what is there."""
        with autocast(self.device, self.precision):
            part = part.to(self.device)
            lesson = None if self.teacher is None else self.teacher.lesson(part)
            losses: Losses = self.learning(part, lesson, known, whole)
        factor = 1.0 if whole is not None else self.part_of_mean
        # Gradients of processes are averaged, too, but their sum is wanted.
        scale = factor * self.processes.number
        (losses.total * scale if scale != 1 else losses.total).backward()  # type: ignore[no-untyped-call]
        distillation = losses.distillation
        return losses._replace(
            localization=factor * losses.localization.detach(),
            classification=factor * losses.classification.detach(),
            distillation=None if distillation is None else factor * distillation.detach(),
        )

    @property
    def part_of_mean(self) -> float:
        """Where a part's own matches, or its images, stand for those of all: means are averaged.

        An SSD has counted the matches of other processes by then, others have not.
        """
        others = 1 if isinstance(self.model, Ssd) else self.processes.number
        return 1 / (self.num_parts * others)

    def of_all(self, found: list[Losses], number: int | None) -> Losses:
        """The sum over parts and processes; `number` of matches, where it is known."""
        sums = self.processes.add_up(torch.stack([terms_of(losses) for losses in found]).sum(dim=0))
        if number is None:
            number = self.total(sum(losses.matched_priors for losses in found))
        localization, classification, *distillation = sums
        return Losses(
            localization, classification, number, distillation[0] if distillation else None
        )


def terms_of(losses: Losses) -> Tensor:
    terms = [losses.localization, losses.classification]
    if losses.distillation is not None:
        terms.append(losses.distillation)
    return torch.stack(terms)
