from __future__ import annotations

import io
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from callbacks import Recorder
from rich.console import Console

from singleshot.runs import display
from singleshot.runs.callbacks import EvaluationRecord, StartRecord, StepRecord
from singleshot.runs.display import (
    LiveProgress,
    PlainProgress,
    download_display,
    image_display,
    training_display,
)

STEP = StepRecord(
    step=30,
    num_steps=100,
    epoch=3,
    num_epochs=10,
    losses={"localization": 1.25, "classification": 2.5},
    num_matches=212,
    gradient_norm=1.0,
    learning_rate=0.01,
    images_per_second=41.04,
    seconds_waiting=0.0,
    seconds_left=95.2,
)
VALIDATION = EvaluationRecord(
    step=30,
    epoch=3,
    mean_average_precision=0.8125,
    AP50=0.95,
    per_class={},
    since_best=0,
    ends_early=False,
)
START = StartRecord(num_steps=100, num_epochs=10, first_step=0, validated=0, batch_size=8)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    time = SimpleNamespace(now=0.0)
    monkeypatch.setattr(display.time, "monotonic", lambda: time.now)
    return time


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
        callback.on_step(replace(STEP, step=step))
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
    callback.on_start(START)
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
    with image_display(True, None) as shown:
        shown.progress(1, 2)
        clock.now = 11
        shown.progress(2, 2)
    assert capsys.readouterr().err == "2/2 images\n"


def test_a_download_prints_bytes_every_few_seconds(capsys, clock):
    with download_display(True) as progress:
        progress(1_000, 14_069_355)
        clock.now = 11
        progress(5_000_000, 14_069_355)
    assert capsys.readouterr().err == "5,000,000/14,069,355 bytes\n"
    with download_display(None) as progress:
        assert progress is None
    with download_display(print) as progress:
        assert progress is print


def test_a_download_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with download_display(None) as progress:
        progress(1_000_000, 14_069_355)
    assert "download" in capsys.readouterr().err


def test_progress_is_left_out_where_nobody_reads_it(capsys):
    for progress in (None, False):
        with image_display(progress, None) as shown:
            assert shown == (None, None)
        with training_display(progress, None) as callback:
            assert callback is None
    assert capsys.readouterr() == ("", "")


def test_functions_of_the_caller_are_called_instead_of_a_display(capsys):
    with image_display(print, None) as shown:
        assert shown == (print, None)
    messages = []
    with image_display(True, messages.append) as shown:
        shown.on_message("evaluating on 3 images")
    assert messages == ["evaluating on 3 images"]
    assert capsys.readouterr() == ("", "")


def test_a_display_comes_before_the_callback_of_the_caller(capsys):
    recorder = Recorder()
    with training_display(True, recorder) as both:
        both.on_message("training on 3 images")
    assert recorder.messages == ["training on 3 images"]
    assert capsys.readouterr().err == "training on 3 images\n"


def test_a_terminal_shows_messages_and_progress_by_default(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with image_display(None, None) as shown:
        shown.on_message("evaluating on 3 images")
        shown.progress(1, 3)
    with training_display(None, None) as callback:
        callback.on_message("training on 3 images")
    printed = capsys.readouterr().err
    assert "evaluating on 3 images" in printed
    assert "training on 3 images" in printed


def test_a_notebook_shows_lines_by_default_outside_of_stderr(capsys, monkeypatch):
    notebook = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    with training_display(None, None) as callback:
        callback.on_step(STEP)
    with image_display(None, None) as shown:
        shown.on_message("evaluating on 3 images")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("epoch 3/10, step 30/100: localization 1.250")
    assert printed.out.endswith("evaluating on 3 images\n")
