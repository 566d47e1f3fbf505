"""Searches without training: the score of a recipe follows from its learning rate."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from singleshot.errors import NonFiniteLoss
from singleshot.runs.callbacks import Callback, EvaluationRecord, StartRecord
from singleshot.training.train import Run
from singleshot.tuning import tune as tuning

__all__ = ["RATE", "Messages", "fake_train", "score_of"]

RATE = "training.learning_rate"
EPOCHS = 2


class Messages:
    """A callback that keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_start(self, start): ...

    def on_step(self, step): ...

    def on_evaluation(self, record): ...

    def on_message(self, message):
        self.lines.append(message)

    def on_finish(self): ...


def score_of(rate: float) -> float:
    """Return 1 at a learning rate of 0.01, less by 0.2 for each power of ten beside it."""
    return 1 - 0.2 * abs(math.log10(rate) + 2)


def fake_train(
    *, seconds: float = 0.0, during: Callable[[int], None] = lambda _: None
) -> Callable[..., Run]:
    """Stand in for `train`: validate after each of two epochs, approaching the final score."""

    def train(
        recipe: str,  # noqa: ARG001
        data: list[Path],  # noqa: ARG001
        *,
        run: Path,
        split: str | None,  # noqa: ARG001
        val_split: str | None,  # noqa: ARG001
        overrides: Mapping[str, object],
        callback: Callback,
        device: str,
        progress: bool,
        **reading: object,  # noqa: ARG001
    ) -> Run:
        assert (device, progress) == ("auto", False)  # the search itself shows it
        (run / "checkpoints").mkdir(parents=True)
        checkpoint = run / "checkpoints" / "best.safetensors"
        checkpoint.write_text("weights")
        rate = float(str(overrides.get(RATE, 0.02)))
        callback.on_start(
            StartRecord(
                num_steps=EPOCHS, num_epochs=EPOCHS, first_step=0, validated=0, batch_size=1
            )
        )
        if rate > 1:
            raise NonFiniteLoss("step 1: the loss is not finite")
        for epoch in range(1, EPOCHS + 1):
            during(epoch)
            time.sleep(seconds / EPOCHS)
            score = score_of(rate) * epoch / EPOCHS
            callback.on_evaluation(
                EvaluationRecord(epoch, epoch, score, score, {}, since_best=0, ends_early=False)
            )
        return Run(run, checkpoint, EPOCHS, score_of(rate), stopped_by=None, interrupted=False)

    return train


def search_in_background(folder: str, cells: str, kill_at: int) -> None:
    """Run another process of a search, which kills itself after so many epochs, if not 0."""

    def count(_: int) -> None:
        nonlocal kill_at
        kill_at -= 1
        if kill_at == 0:
            os.kill(os.getpid(), 9)

    tuning.train = fake_train(seconds=0.2, during=count)  # type: ignore[assignment]
    search = [f"{RATE}=0.0001..0.1:log"]
    tuning.tune("ssdlite320-lite0", cells, trials=4, run=folder, search=search)
