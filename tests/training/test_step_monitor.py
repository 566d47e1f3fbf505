"""Steps become records: counted in epochs, read in groups, refused when not finite."""

from __future__ import annotations

import pytest
import torch

from singleshot.detectors.detector import Losses
from singleshot.errors import NonFiniteLoss
from singleshot.runs.callbacks import CallbackList
from singleshot.training.processes import ALONE
from singleshot.training.step_monitor import Epochs, FinishedStep, StepMonitor


def test_steps_count_as_epochs_by_their_first_image():
    # 10 images in batches of 4: steps 1 to 3 begin at images 0, 4 and 8, step 4 at image 12.
    epochs = Epochs(num_images=10, batch_size=4)
    assert [epochs.of(step) for step in range(7)] == [0, 1, 1, 1, 2, 2, 3]
    assert [epochs.ends_period(step, every=1) for step in range(1, 6)] == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert epochs.periods_ended(1, 6, every=1) == 2


def test_a_step_may_have_several_epochs():
    epochs = Epochs(num_images=2, batch_size=6)
    assert [epochs.of(step) for step in (0, 1, 2, 3)] == [0, 1, 4, 7]
    # No step ends more than one period, so that each is validated once at most.
    assert epochs.periods_ended(1, 3, every=1) == 2


class Records(CallbackList):
    """Keeps the steps that are recorded."""

    def __init__(self):
        super().__init__([])
        self.steps = []

    def on_step(self, step):
        self.steps.append(step)


def finished(step, loss):
    losses = Losses.of({"localization": torch.tensor(loss)}, weight=1, num_matches=3)
    return FinishedStep(step, ("a.jpg",), losses, torch.tensor(2.0), 0.01, 0.0)


def monitor(device):
    records = Records()
    monitor = StepMonitor.on_device(
        torch.device(device), records, Epochs(10, 4), num_steps=40, processes=ALONE
    )
    monitor.start_clock()
    return monitor, records


def test_losses_are_read_at_once_on_a_cpu_and_in_groups_on_a_gpu():
    ours, records = monitor("cpu")
    ours.add(finished(1, 0.5))
    assert [record.step for record in records.steps] == [1]
    ours, records = monitor("cuda")
    for step in range(1, 20):
        ours.add(finished(step, 0.5))
    assert records.steps == []
    ours.add(finished(20, 0.25))
    assert [record.step for record in records.steps] == list(range(1, 21))
    assert records.steps[-1].losses == {"localization": 0.25}
    assert records.steps[-1].num_epochs == 16


def test_a_nan_loss_names_the_step_and_its_images():
    ours, _ = monitor("cpu")
    with pytest.raises(NonFiniteLoss, match=r"step 7: the loss is not finite .*a\.jpg"):
        ours.add(finished(7, float("nan")))
