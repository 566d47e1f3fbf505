"""Options are declared once: Python signature, docstring, command and checks follow."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from singleshot.errors import SingleshotError
from singleshot.options import Options, argument, callback, option, options_of, takes


@dataclass(frozen=True)
class Basic(Options):
    data: str | Path | Sequence[str | Path] = field(
        metadata=argument("Folder of images.", metavar="DATA")
    )
    _: KW_ONLY
    split: str | None = field(default=None, metadata=option("Split to evaluate."))
    rule: Literal["voc", "coco"] = field(default="coco", metadata=option("Matching rule."))
    iou: float = field(default=0.5, metadata=option("IoU.", flag="--iou", minimum=0.1, maximum=1))
    progress: Callable[[int, int], None] | None = field(
        default=None, metadata=callback("Called with (images done, images in all).")
    )


@dataclass(frozen=True, kw_only=True)
class Extended(Basic):
    overrides: Mapping[str, object] | Sequence[str] = field(
        default=(), metadata=option("Values of the recipe.", flag="--set")
    )
    resume: bool = field(default=False, metadata=option("Resume.", flag="--resume"))
    trials: int = field(default=1, metadata=option("Trials.", minimum=1))


@takes(Extended)
def run(model: str, options: Extended) -> tuple[str, Extended]:
    """Run a model.

    Args:
        model: a name.

    Raises:
        SingleshotError: the options are impossible.
    """
    return model, options


def test_the_function_takes_the_fields_as_arguments():
    assert run("m", "cells", split="val", trials=2) == (
        "m",
        Extended("cells", split="val", trials=2),
    )
    assert run("m", data="cells") == ("m", Extended("cells"))


def test_the_signature_is_that_of_the_dataclass_after_the_model():
    model, *others = inspect.signature(run).parameters.values()
    assert (model.name, model.kind) == ("model", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert others == list(inspect.signature(Extended).parameters.values())
    assert inspect.signature(run).return_annotation == tuple[str, Extended]
    with pytest.raises(TypeError, match="splits"):
        run("m", "cells", splits="val")


def test_the_model_may_be_given_by_name():
    assert run(model="m", data="cells") == run("m", "cells")


def test_a_wrong_call_names_the_function_and_its_argument():
    with pytest.raises(TypeError, match=r"^run\(\) missing a required argument: 'model'"):
        run(data="cells")
    with pytest.raises(TypeError, match=r"^run\(\) missing a required argument: 'data'"):
        run("m")


def test_the_docstring_lists_the_fields_before_what_is_raised():
    assert inspect.getdoc(run).splitlines()[:5] == [
        "Run a model.",
        "",
        "Args:",
        "    model: a name.",
        "    data: Folder of images.",
    ]
    assert "    trials: Trials.\n\nRaises:\n    SingleshotError: the" in inspect.getdoc(run)


def test_a_docstring_without_args_gets_them():
    assert takes(Basic)(lambda _subject, _options: None).__doc__.startswith("\n\nArgs:\n    data: ")


def test_options_stay_as_they_are():
    with pytest.raises(FrozenInstanceError):
        Basic("cells").split = "val"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "voc12"}, "rule: no choice 'voc12'; there are 'voc', 'coco'"),
        ({"iou": 0}, "iou: 0 is out of bounds; expected 0.1 to 1"),
        ({"iou": float("nan")}, "iou: nan is out of bounds"),
        ({"iou": "x"}, "iou: 'x': expected a number"),
        ({"trials": 1.5}, "trials: 1.5: expected a whole number"),
        ({"split": ["val"]}, r"split: \['val'\] is of type list; expected text"),
        ({"resume": "yes"}, "resume: 'yes' is of type str; expected True or False"),
        ({"overrides": "x=1"}, "overrides: 'x=1' is of type str; expected a mapping or a list"),
        ({"overrides": [1]}, r"overrides: \[1\] is of type list; expected a mapping or a list"),
        ({"trials": None}, "trials: None: expected a whole number"),
        ({"rule": None}, "rule: no choice None"),
        ({"data": None}, "data: None is of type NoneType; expected text or a path or a list"),
        ({"data": [None]}, r"data: \[None\] is of type list"),
        ({"trials": 0}, "trials: 0 is out of bounds; expected 1 or more"),
    ],
)
def test_impossible_values_are_refused_with_name_value_and_what_is_possible(options, message):
    with pytest.raises(SingleshotError, match=message):
        run("m", **{"data": "cells", **options})


def test_the_command_gives_what_differs_from_the_defaults():
    options = Extended("my cells", split="-a", resume=True, trials=1, progress=print)
    assert options.to_command("tune", "m") == "singleshot tune m 'my cells' --split=-a --resume"


def test_the_command_repeats_what_is_given_several_times():
    options = Extended(["a", Path("b")], overrides={"training.epochs": 2})
    command = options.to_command("models show", "m")
    assert command == "singleshot models show m a b --set=training.epochs=2"
    assert Extended("a", overrides=["x=1", "y=2"]).to_command("t") == (
        "singleshot t a --set x=1 --set y=2"
    )


def test_the_reference_has_name_flag_default_and_help_of_each():
    split = options_of(Extended)[1]
    assert (split.name, split.flag, split.default, split.help) == (
        "split",
        "--split",
        None,
        "Split to evaluate.",
    )
    assert [one.flag for one in options_of(Extended)[-3:]] == ["--set", "--resume", "--trials"]
