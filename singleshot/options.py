"""Options of a command, declared once: a frozen dataclass whose fields carry their help.

    @dataclass(frozen=True)
    class EvaluationOptions(Options):
        data: str = field(metadata=argument("Folder of annotated images.", metavar="DATA"))
        _: KW_ONLY
        split: str | None = field(default=None, metadata=option("Split to evaluate."))
        progress: Progress | None = field(default=None, metadata=callback("Called with …"))

    @takes(EvaluationOptions)
    def evaluate(detector: Detector, options: EvaluationOptions) -> Report: ...

From it come (`takes`) the Python signature, `evaluate(detector, "cells", split="test")`, checked by
mypy and listed in the docstring; the parameters of a typer command (`cli.options.with_options`);
`EvaluationOptions("cells").to_command("evaluate", "run")`, "singleshot evaluate run cells"; and
the rows of the reference page (`options_of`). Choices (`Literal`) and bounds are checked when the
dataclass is made, before anything heavy is imported.
"""

import inspect
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, dataclass, fields, replace
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from singleshot.errors import SingleshotError

__all__ = [
    "DATA",
    "DEVICE",
    "OVERRIDES",
    "DataPaths",
    "Device",
    "Option",
    "Options",
    "argument",
    "as_paths",
    "callback",
    "check_device",
    "option",
    "options_of",
    "takes",
]

DataPaths = str | Path | Sequence[str | Path]  # one data set, or several to be joined
if TYPE_CHECKING:
    import torch

    Device = str | torch.device
else:
    Device = Any  # checked by `check_device`, without PyTorch

P = ParamSpec("P")
Subject = TypeVar("Subject")
Chosen = TypeVar("Chosen")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Option:
    """One field of an options dataclass as help, command line and documentation present it."""

    kind: Literal["argument", "option", "callback"]  # a callback is for Python callers only
    help: str
    name: str = ""  # of the field
    flag: str = ""  # on the command line, as in --split
    metavar: str | None = None
    hint: Any = None  # type of the field
    cli_type: Any = None  # what typer parses; left out, it follows from the type of the field
    default: Any = ...  # must be given
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""  # of a number, as in "seconds"
    parse: Callable[[str], Any] | None = None  # from the command line; raises ValueError
    validate: Callable[[Any], None] | None = None  # raises SingleshotError
    to_text: Callable[[Any], str] = str  # the inverse of `parse`

    @property
    def choices(self) -> tuple[Any, ...]:
        """Values that the type of the field permits; empty where it is no Literal."""
        return tuple(
            choice
            for part in (self.hint, *get_args(self.hint))
            if get_origin(part) is Literal
            for choice in get_args(part)
        )

    def check(self, value: Any) -> None:
        """Raise SingleshotError for a value of another type, that is no choice or out of bounds."""
        if self.kind == "callback" or (value is None and _permits(self.hint, None)):
            return
        if self.validate is not None:
            self.validate(value)
        if self.choices and value not in self.choices:
            choices = ", ".join(map(repr, self.choices))
            raise SingleshotError(f"{self.name}: no choice {value!r}; there are {choices}")
        self._check_number(value)

    def _check_number(self, value: Any) -> None:
        """Raise SingleshotError where a number is expected and not given, or is out of bounds."""
        types = [one for one in get_args(self.hint) or [self.hint] if isinstance(one, type)]
        numeric: Any = Real if float in types else Integral if int in types else None
        if numeric is None:
            self._check_type(value)
            return
        is_bool = isinstance(value, bool)  # which are Integral, too
        if is_bool or not isinstance(value, numeric):
            if isinstance(value, tuple(types)) and not is_bool:
                return  # of another type that the field permits
            expected = "a number" if numeric is Real else "a whole number"
            of_unit = f" of {self.unit}" if self.unit else ""
            raise SingleshotError(f"{self.name}: {value!r}: expected {expected}{of_unit}")
        low, high = self.minimum, self.maximum
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            bounds = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
            bounds += f" {self.unit}" if self.unit else ""
            raise SingleshotError(f"{self.name}: {value!r} is out of bounds; expected {bounds}")

    def _check_type(self, value: Any) -> None:
        """Raise SingleshotError for text where a list is expected, a list where text is, …"""
        if _permits(self.hint, value):
            return
        hints = get_args(self.hint) if get_origin(self.hint) in _UNIONS else [self.hint]
        expected = " or ".join(
            _TYPE_NAMES[kind]
            for hint in hints
            for kind in [get_origin(hint) or hint]
            if kind in _TYPE_NAMES
        )
        raise SingleshotError(
            f"{self.name}: {value!r} is of type {type(value).__name__}; expected {expected}"
        )

    def to_words(self, value: Any) -> list[str]:
        """Write a value as words of a command; none for a default or a callback."""
        if self.kind == "callback" or value is None or value is False or value == self.default:
            return []
        if value is True:
            return [self.flag]
        if isinstance(value, Mapping):
            return [f"{self.flag}={key}={self.to_text(one)}" for key, one in value.items()]
        several = isinstance(value, Sequence) and not isinstance(value, str)
        texts = [self.to_text(one) for one in (value if several else [value])]
        if self.kind == "argument":
            return texts
        return [
            word
            for text in texts
            for word in ([f"{self.flag}={text}"] if text.startswith("-") else [self.flag, text])
        ]


_UNIONS = (Union, UnionType)
_TYPE_NAMES: dict[Any, str] = {
    str: "text",
    Path: "a path",
    bool: "True or False",
    Sequence: "a list",
    Mapping: "a mapping",
}


def _permits(hint: Any, value: Any) -> bool:
    """Return whether a value is of the type of a field; numbers and choices are checked apart."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in _UNIONS:
        return any(_permits(part, value) for part in get_args(hint))
    if origin is Sequence:
        (part,) = get_args(hint)
        is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return is_list and all(_permits(part, one) for one in value)
    if origin is Literal:
        return value is not None
    kind = origin or hint
    return not isinstance(kind, type) or isinstance(value, kind)


def argument(help: str, **more: Any) -> dict[str, Option]:
    """Make the metadata of a field that is positional on the command line.

    Args:
        help: what the field is for, one or two sentences.
        more: other fields of `Option`, such as `metavar`.
    """
    return {"option": Option("argument", help, **more)}


def option(help: str, **more: Any) -> dict[str, Option]:
    """Make the metadata of a field that is an option of the command line; see `argument`."""
    return {"option": Option("option", help, **more)}


def callback(help: str) -> dict[str, Option]:
    """Make the metadata of a field that only Python callers can set, such as a callback."""
    return {"option": Option("callback", help)}


def check_device(device: object) -> None:
    """Raise SingleshotError for what is no name of a device, such as `gpu`."""
    name = str(device)  # also of a `torch.device`
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        return
    meant = f"cuda:{name}" if name.isdecimal() else "cuda" if name.lower() in _GPU_NAMES else ""
    hint = f"did you mean {meant}? There are" if meant else "expected"
    raise SingleshotError(
        f"device: {device!r} is no device; {hint} auto, cpu, cuda, cuda:1 … or mps"
    )


_GPU_NAMES = ("gpu", "nvidia", "cuda0")

# Metadata of fields that several commands have.
DATA = option(
    "A folder or file of annotated images; repeated, the data sets are joined by class name.",
    metavar="DATA",
)
DEVICE = option(
    "Compute on cpu, cuda, cuda:1 (the second GPU) or mps. Default: the GPU if there is one.",
    metavar="D",
    cli_type=str,
    validate=check_device,
)
OVERRIDES = option(
    "Change one value of the recipe, as in training.epochs=20; may be repeated.",
    flag="--set",
    metavar="KEY=VALUE",
)


@dataclass(frozen=True)
class Options:
    """Base of the options of a command: values are checked when they are given."""

    def __post_init__(self) -> None:
        """Raise SingleshotError for a value of another type, that is no choice or out of bounds."""
        for one in options_of(type(self)):
            one.check(getattr(self, one.name))

    def with_callbacks(self: Chosen, **callbacks: Any) -> Chosen:
        """Set fields that only Python callers can set; the others are not checked again."""
        changed = copy(self)
        vars(changed).update(callbacks)  # the dataclass is frozen
        return changed

    def to_command(self, verb: str, *subjects: object) -> str:
        """Write the command that runs `verb` on these models or files with these options."""
        words = ["singleshot", *verb.split(), *map(str, subjects)]
        for one in options_of(type(self)):
            words += one.to_words(getattr(self, one.name))
        return shlex.join(words)


def options_of(options: type[Options]) -> tuple[Option, ...]:
    """List the fields of an options dataclass, with names, flags, types and defaults filled in."""
    # Not typing.get_type_hints, which refuses KW_ONLY on Python 3.10.
    hints = {
        name: hint
        for kind in reversed(options.__mro__)
        for name, hint in inspect.get_annotations(kind, eval_str=True).items()
    }
    return tuple(
        replace(
            declared,
            name=one.name,
            flag=declared.flag or "--" + one.name.replace("_", "-"),
            hint=hints[one.name],
            default=... if one.default is MISSING else one.default,
        )
        for one in fields(options)
        for declared in [one.metadata["option"]]
    )


def takes(
    options: Callable[P, Chosen],
) -> Callable[[Callable[[Subject, Chosen], Result]], Callable[Concatenate[Subject, P], Result]]:
    """Give a function of (subject, options) the fields of an options dataclass as arguments.

    The decorated function is called with its first argument and those of the dataclass, by position
    or by name; its signature and the Args of its docstring list them.
    """

    def decorate(
        function: Callable[[Subject, Chosen], Result],
    ) -> Callable[Concatenate[Subject, P], Result]:
        own = inspect.signature(function)
        subject = next(iter(own.parameters.values()))
        parameters = inspect.signature(options).parameters.values()
        signature = own.replace(parameters=[subject, *parameters])

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Result:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(given.pop(subject.name), options(**given))  # type: ignore[call-arg]

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = with_args(function.__doc__ or "", options)
        return call

    return decorate


def with_args(docstring: str, options: Any) -> str:
    """Add the fields of an options dataclass to the Args of a docstring, before its Raises."""
    docstring = inspect.cleandoc(docstring)
    rows = "\n".join(f"    {one.name}: {one.help}" for one in options_of(options))
    before, heading, after = docstring.partition("\nRaises:")
    before = before.rstrip()
    separator = "\n" if "\nArgs:\n" in before else "\n\nArgs:\n"
    return f"{before}{separator}{rows}" + (f"\n\n{heading.strip()}{after}" if heading else "")


def as_paths(data: DataPaths) -> list[Path]:
    """List the paths of one or several data sets."""
    return [Path(data)] if isinstance(data, str | Path) else [Path(one) for one in data]
