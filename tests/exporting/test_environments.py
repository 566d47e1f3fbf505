import sys
from dataclasses import replace
from pathlib import Path

import pytest

from singleshot.errors import RunFailed, SingleshotError
from singleshot.exporting.environments import ConverterEnvironment

MISSING = ConverterEnvironment("trial", "a_module_that_is_nowhere", (), "1 MB")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(MISSING.variable, raising=False)


def test_a_missing_environment_is_refused_with_how_to_make_it():
    with pytest.raises(SingleshotError, match=r"--make-environment, or name one.*SINGLESHOT_TRIAL"):
        MISSING.require(make=False, notify=print)


def test_the_variable_names_a_folder_or_a_python(monkeypatch):
    for place in (sys.executable, Path(sys.executable).parent.parent):
        monkeypatch.setenv(MISSING.variable, str(place))
        assert MISSING.find() is not None
    monkeypatch.setenv(MISSING.variable, "/nowhere")
    with pytest.raises(SingleshotError, match="SINGLESHOT_TRIAL_PYTHON: no Python at /nowhere"):
        MISSING.find()


def test_this_environment_will_do_if_the_module_is_in_it():
    assert ConverterEnvironment("trial", "torch", (), "").find() == Path(sys.executable)


def test_one_that_is_made_is_found_again():
    messages = []
    made = MISSING.require(make=True, notify=messages.append)
    assert made == MISSING.require(make=True, notify=messages.append) == MISSING.find()
    assert len(messages) == 1
    assert MISSING.folder in made.parents


def test_one_that_was_not_completed_is_made_again():
    broken = ConverterEnvironment("trial", MISSING.module, (("--no-such-option",),), "1 MB")
    with pytest.raises(RunFailed, match="no such option"):
        broken.require(make=True, notify=print)
    assert broken.find() is None
    assert MISSING.require(make=True, notify=print).is_file()


def test_a_script_that_fails_is_an_error_with_its_last_lines(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print('begun')\nraise ValueError('the weights are of another model')\n")
    with pytest.raises(RunFailed, match=r"nowhere in .* failed:\n(.*\n)*.*of another model"):
        MISSING.run(Path(sys.executable), script)


def test_a_script_that_is_started_answers_line_by_line(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nprint('begun', file=sys.stderr)\n"
        "for line in sys.stdin:\n    print(line.strip() + sys.argv[1], flush=True)\n"
    )
    log = tmp_path / "log.txt"
    with MISSING.start(Path(sys.executable), script, "!", log=log) as process:
        for word in ("one", "two"):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{word}!\n"
    assert log.read_text() == "begun\n"


def test_one_of_other_requirements_is_made_again():
    newer = replace(MISSING, requirements=(("pip",),))
    old = MISSING.require(make=True, notify=print)
    assert newer.find() is None
    assert newer.require(make=True, notify=print) == old == newer.find()
