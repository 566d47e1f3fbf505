"""The page of a search."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_reader import Reader
from playwright.sync_api import sync_playwright

from singleshot.tuning.page import SearchPage, short_names, write_search_report
from singleshot.tuning.plots import best_so_far, key_panels, round_ratios
from singleshot.tuning.search_space import Between, OneOf
from singleshot.tuning.trial_tables import Trial, best_of, spread_of

RATE, FLIP = "training.learning_rate", "augmentation.flip"
SPACE = {RATE: Between(0.001, 0.1, log=True), FLIP: OneOf(("0.0", "0.5"))}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def trial(number, score, rate=0.02, flip=0.5, outcome="finished", **more):
    validations = [(5, 0.5 * score), (10, score)]
    values = {RATE: rate, FLIP: flip}
    return Trial(number, outcome, score, values, validations, 60.0, **more)


TRIALS = (
    trial(0, 0.5, is_start=True),
    trial(1, 0.4, rate=0.001),
    trial(2, 0.1, rate=0.1, outcome="pruned"),
    trial(3, 0.0, rate=0.1, outcome="failed", reason="<b>not finite</b>"),
    trial(4, 0.6, rate=0.01, flip=0.0),
)
PAGE = SearchPage(
    title="<i>cells</i>",
    trained_on="6 images",
    judged_on="2 images",
    num_judged_on=2,
    num_wanted=8,
    trials=TRIALS,
    space=SPACE,
    start={RATE: 0.02, FLIP: 0.5},
    importances={RATE: 0.75, FLIP: 0.25},
    train_command="singleshot train r.toml",
    test_command="singleshot evaluate r cells --split=test",
    command="singleshot tune",
    recipe="x = 1",
    version="1",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_search_report(PAGE, tmp_path_factory.mktemp("page") / "report.html")


def test_the_page_says_what_was_found_and_how_far_to_believe_it(path):
    text = " ".join(Reader.of(path).text.split())
    assert "<i>cells</i>" in text  # escaped, so read as text
    assert "recipe as it was0.500 difference+0.100trials done5 of 8 stopped early1" in text
    assert "0.600 is the highest of 3 scores" in text
    assert "all the more as 2 images are few" in text
    assert "trained once, so how far seeds alone spread is not known" in text
    assert "singleshot evaluate r cells --split=test" in text
    assert "<b>not finite</b>" in text
    assert "learning_rate 0.02 → 0.01flip 0.5 → 0" in text


def test_every_trial_with_a_score_is_a_mark_in_every_chart(path):
    reader = Reader.of(path)
    # Course and two keys, and two of the four shapes of the legend.
    assert len(reader.of_class("best")) == 3 + 1 + 1  # and one curve
    assert len(reader.of_class("pruned")) == 3 + 1 + 1
    assert len(reader.of_class("cross")) == 3 + 1


def test_marks_stand_where_their_values_are():
    rate, flip = key_panels(TRIALS, SPACE, {RATE: 0.75, FLIP: 0.25})
    # 0.01 is half way between 0.001 and 0.1 in equal ratios: 42 + 266 / 2.
    assert [one.x for one in rate.marks if one.kind == "best"] == [175.0]
    assert rate.note == "75%"
    left, right = (308 - 42) / 4 + 42, 308 - (308 - 42) / 4
    assert [tick.position for tick in flip.chart.x_ticks] == [left, right]
    lowest = max(one.y for one in rate.marks)
    assert [one.y for one in rate.marks if one.kind == "failed"] == [lowest]


def test_the_best_so_far_only_rises():
    line = best_so_far(TRIALS)
    assert line.xs.tolist() == [0, 1, 1, 4, 4]
    assert line.ys.tolist() == [0.5, 0.5, 0.5, 0.5, 0.6]


def test_the_best_is_finished_and_the_earliest_of_equals():
    assert best_of(TRIALS) is TRIALS[4]
    assert best_of((trial(0, 0.9, outcome="pruned"), trial(1, 0.5), trial(2, 0.5))).number == 1
    assert best_of(()) is None


def test_noise_is_pooled_over_trials_that_differ_by_the_seed_alone():
    def seeded(number, score, seed, rate):
        one = trial(number, score, rate)
        return replace(one, values={**one.values, "training.seed": seed})

    trials = [seeded(0, 0.50, 0, 0.1), seeded(1, 0.54, 1, 0.1), seeded(2, 0.9, 0, 0.2)]
    spread = spread_of(trials)
    assert spread.deviation == pytest.approx(0.02 * 2**0.5)
    assert (spread.num_trials, spread.num_groups) == (2, 1)
    assert spread_of(TRIALS) is None


def test_keys_are_shortened_as_far_as_they_stay_different():
    keys = [
        "training.learning_rate",
        "augmentation.crop.probability",
        "augmentation.expand.probability",
    ]
    assert list(short_names(keys).values()) == [
        "learning_rate",
        "crop.probability",
        "expand.probability",
    ]


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [(0.004, 0.1, [0.005, 0.01, 0.02, 0.05, 0.1]), (1e-6, 1e-1, [1e-6, 1e-4, 1e-2])],
)
def test_ratios_have_round_ticks(low, high, values):
    assert round_ratios(low, high) == pytest.approx(values)


def test_a_search_without_a_finished_trial_has_a_page(tmp_path):
    empty = replace(PAGE, trials=(), importances=None, recipe="")
    text = Reader.of(write_search_report(empty, tmp_path / "report.html")).text
    assert "No trial is finished yet" in text


@pytest.mark.parametrize(("width", "colours"), [(390, "dark"), (1440, "light")])
def test_the_page_fits_asks_nobody_and_axe_finds_no_fault(path, width, colours):
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert Axe().run(page).response["violations"] == []
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert complaints == []
        browser.close()
