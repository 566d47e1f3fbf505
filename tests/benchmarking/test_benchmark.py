import pytest

import singleshot
from singleshot.benchmarking import benchmark as module
from singleshot.errors import SingleshotError


def test_a_recipe_is_timed_in_every_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "cores_used_by_others", lambda: 1.9)
    messages = []
    result = singleshot.benchmark(
        ["localizer"],
        size="96x64",
        batch=[1, 2],
        threads="1",
        streams="1,2",
        timings=2,
        rounds=1,
        max_seconds=0.3,
        num_classes=2,
        report=tmp_path / "page",
        progress=False,
        on_message=messages.append,
    )
    assert [(row.batch, row.threads, row.streams) for row in result.rows] == [
        (1, 1, 1), (2, 1, 1), (1, 1, 2),
    ]  # fmt: skip
    assert [row.num_timings for row in result.rows][:2] == [2, 1]
    for row in result.rows:
        assert row.network.median > 0
        assert row.images_per_second > 0
        assert row.memory_mb > 10
        assert row.size_mb is None
    assert any("warning: other programs use 1.9" in message for message in messages)
    assert any("localizer: random weights" in message for message in messages)
    assert (tmp_path / "page/benchmark.json").exists()


def test_a_check_is_of_the_first_row_of_a_model(monkeypatch):
    checked = []
    monkeypatch.setattr(module, "cores_used_by_others", lambda: None)
    monkeypatch.setattr(module, "check_in_process", lambda job: checked.append(job.threads))
    settings = {"size": "96x64", "timings": 1, "rounds": 1, "progress": False}
    singleshot.benchmark(["localizer"], threads="1", check=True, **settings)
    assert checked == [1]


def test_models_are_needed():
    with pytest.raises(SingleshotError, match="name at least one model"):
        singleshot.benchmark([])
