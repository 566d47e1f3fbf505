from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from singleshot.options import callback, option
from singleshot.runs.reporting import WithPage, WithProgress

CALLED = callback("Called.")


@dataclass(frozen=True)
class Made(WithPage, WithProgress):
    report: str | Path | None = field(default=None, metadata=option("Folder."))
    on_message: object = field(default=None, metadata=CALLED)
    progress: object = field(default=None, metadata=CALLED)


def test_who_wants_no_message_gets_none_and_others_get_all():
    Made().notify("read")
    messages, done = [], []
    made = Made(on_message=messages.append, progress=lambda *counts: done.append(counts))
    made.notify("read")
    made.notify_progress(1, 2)
    assert (messages, done) == (["read"], [(1, 2)])
    Made(progress=True).notify_progress(1, 2)


def test_functions_of_the_caller_are_those_of_the_display():
    messages, done = [], []
    made = Made(on_message=messages.append, progress=lambda *counts: done.append(counts))
    with made.displayed() as shown:
        shown.notify("read")
        shown.notify_progress(1, 2)
    assert (messages, done) == (["read"], [(1, 2)])


def test_the_page_lies_in_the_folder_of_the_report():
    assert Made().page is None
    assert Made(report="checked").page == Path("checked/report.html")
