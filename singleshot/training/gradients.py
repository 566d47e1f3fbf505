"""Compute the gradient of a batch: in one go, in parts, and together with other processes.

All of them give the gradient of one loss, that of the whole batch, if its weight is known before
the network runs: the sums of each part are divided by the weight of all parts in all processes (for
an SSD paper §2.2, "Training objective": N, "the number of matched default boxes"). If the losses of
parts were averaged instead, the objects of a crowded part would count less.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from singleshot.detectors.detector import Losses, Objective, Prepared, Weight
from singleshot.errors import ModelError
from singleshot.structures import Batch
from singleshot.training.precision import Precision, autocast
from singleshot.training.processes import Processes

__all__ = ["Gradients"]


class _LossesAsForward(nn.Module):
    """The losses as a forward pass: DistributedDataParallel joins gradients of a module's call."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, batch: Batch, prepared: Prepared | None) -> Losses:
        """Compute the losses of a part of a batch."""
        return self.objective.losses(batch, prepared)


@dataclass
class Gradients:
    """Adds the gradients of batches to the parameters of an objective."""

    objective: Objective
    processes: Processes
    device: torch.device
    precision: Precision
    num_parts: int  # that a process' share of a batch is computed in
    module: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.module = _LossesAsForward(self.objective)
        if self.processes.is_distributed:
            self.module = DistributedDataParallel(
                self.module,
                gradient_as_bucket_view=True,
                find_unused_parameters=not self.objective.fixed_graph,
            )
            # Statistics are the same in all processes already, or only one process uses them.
            self.module.broadcast_buffers = False

    def add(self, batch: Batch) -> Losses:
        """Add the gradient of a batch, or of this process' share; return losses of the whole."""
        parts = batch.parts(self.num_parts)
        prepared = [self.objective.prepare(part.truths) for part in parts]
        weight = self.weight_of_all(prepared)
        losses = []
        for number, (part, of_part) in enumerate(zip(parts, prepared, strict=True), start=1):
            with self.exchange(last=number == len(parts)):
                losses.append(self.add_part(part, of_part, weight))
        return self.sum_over_all(losses)

    def weight_of_all(self, prepared: Sequence[Prepared | None]) -> float | None:
        """Add up the weights of all parts in all processes; None if they depend on outputs."""
        weights = [of_part.weight for of_part in prepared if of_part is not None]
        return self.processes.sum(sum(weights))[0] if len(weights) == len(prepared) else None

    def exchange(self, *, last: bool) -> AbstractContextManager[None]:
        """Exchange gradients between processes once, with the last part."""
        if isinstance(self.module, DistributedDataParallel) and not last:
            return self.module.no_sync()
        return nullcontext()

    def add_part(self, part: Batch, prepared: Prepared | None, weight: float | None) -> Losses:
        """Add the gradient of a part; return the share of its terms in those of the whole batch."""
        with autocast(self.device, self.precision):
            part = part.to(self.device)
            prepared = None if prepared is None else prepared.to(self.device)
            losses: Losses = self.module(part, prepared)
        if prepared is not None:
            self.require_weight(losses, prepared.weight)
        if weight is None:
            # Weights of other parts are not known yet: their means are averaged.
            losses, share = self.with_weights_of_processes(losses), 1 / self.num_parts
        else:
            losses, share = losses.with_weight(weight), 1.0
        # Gradients of processes are averaged, and their sum is needed.
        scale = share * self.processes.world_size
        (losses.total * scale if scale != 1 else losses.total).backward()  # type: ignore[no-untyped-call]
        terms = {name: share * term.detach() for name, term in losses.terms.items()}
        return Losses.of(terms, weight=1, num_matches=losses.num_matches)

    def require_weight(self, losses: Losses, weight: float) -> None:
        """Raise ModelError if losses are divided by another weight than `prepare` gave.

        Tensors are left out: comparing them would wait for the GPU.
        """
        for name, of_term in losses.weights.items():
            if not isinstance(of_term, Tensor) and of_term != weight:
                raise ModelError(
                    f"{type(self.objective).__name__}: divides the loss {name!r} by {of_term}, but "
                    f"its prepare() gives the weight {weight} (without a prepare() of its own, the "
                    f"number of images); let prepare() return the weight that losses() divides "
                    f"by, or None where it depends on outputs"
                )

    def with_weights_of_processes(self, losses: Losses) -> Losses:
        """Divide by the sums of weights over the processes, as far as they are on one part."""

        def over_processes(weight: Weight) -> Weight:
            if isinstance(weight, Tensor):
                return self.processes.all_reduce(weight.clone())
            return self.processes.sum(weight)[0]

        weights = {name: over_processes(weight) for name, weight in losses.weights.items()}
        return losses._replace(weights=weights)

    def sum_over_all(self, losses: Sequence[Losses]) -> Losses:
        """Add up the terms, and the numbers of matches, of all parts in all processes."""
        names = losses[0].sums
        table = torch.stack([torch.stack(list(of_part.sums.values())) for of_part in losses])
        sums = self.processes.all_reduce(table.sum(dim=0))
        (num_matches,) = self.processes.sum(sum(of_part.num_matches for of_part in losses))
        terms = dict(zip(names, sums.unbind(), strict=True))
        return Losses.of(terms, weight=1, num_matches=int(num_matches))
