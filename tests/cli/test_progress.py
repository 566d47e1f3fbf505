from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from singleshot.cli import progress
from singleshot.cli.progress import LiveProgress, PlainProgress, image_progress

STEP = SimpleNamespace(
    step=30,
    num_steps=100,
    epoch=3,
    num_epochs=10,
    losses={"localization": 1.25, "classification": 2.5},
    num_matches=212,
    learning_rate=0.01,
    images_per_second=41.04,
    seconds_left=95.2,
)
VALIDATION = SimpleNamespace(epoch=3, mean_average_precision=0.8125, AP50=0.95)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    time = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: time.now)
    return time


def at(step):
    return SimpleNamespace(**{**vars(STEP), "step": step})


def test_a_plain_line_has_everything(capsys):
    PlainProgress().on_step(STEP)
    assert capsys.readouterr() == (
        "",
        "epoch 3/10, step 30/100: localization 1.250, classification 2.500, 212 matches, "
        "learning rate 0.01, 41.0 images/s, 0:01:35 left\n",
    )


def test_plain_lines_come_every_ten_seconds_and_at_the_end(capsys, clock):
    callback = PlainProgress()
    for step in range(1, 101):
        clock.now = step * 0.4
        callback.on_step(at(step))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[3] for line in lines] == [
        "1/100:",
        "26/100:",
        "51/100:",
        "76/100:",
        "100/100:",
    ]


def test_a_plain_validation(capsys):
    PlainProgress().on_evaluation(VALIDATION)
    assert capsys.readouterr().err == "epoch 3: validation mAP 0.812, AP50 0.950\n"


def test_the_live_display_keeps_the_last_validation_visible():
    screen = io.StringIO()
    callback = LiveProgress(Console(file=screen, force_terminal=True, width=140))
    callback.on_start(None)
    callback.on_message("VOC layout [train]")
    callback.on_evaluation(VALIDATION)
    callback.on_step(STEP)
    callback.close()
    callback.close()
    shown = screen.getvalue()
    assert "VOC layout [train]" in shown
    for part in (
        "epoch 3/10",
        "localization 1.250",
        "30%",
        "0:01:35 left",
        "validation mAP 0.812, AP50 0.950",
    ):
        assert part in shown


def test_a_short_evaluation_prints_no_progress(capsys, clock):
    with image_progress() as tell:
        tell(1, 2)
        clock.now = 11
        tell(2, 2)
    assert capsys.readouterr().err == "2/2 images\n"
