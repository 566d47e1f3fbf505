"""Options that commands share, and parameters made from an options dataclass."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer

from singleshot.options import OVERRIDES, Option, Options, options_of
from singleshot.version import __version__

__all__ = [
    "Debug",
    "Json",
    "Model",
    "Overrides",
    "Recipe",
    "RecipeOrAuto",
    "Session",
    "Version",
    "examples",
    "with_options",
]

Chosen = TypeVar("Chosen", bound=Options)


@dataclass
class Session:
    """State of one call of the program, set before or after the name of the command."""

    debug: bool = False


def _remember_debug(context: Any, value: bool) -> None:
    """Switch tracebacks on, wherever on the line --debug stands."""
    # Any: typer passes not the typer.Context that it documents, but its base class.
    if value:
        context.obj.debug = True


def _print_version(value: bool) -> None:
    """Print the version and exit."""
    if value:
        typer.echo(f"singleshot {__version__}")
        raise typer.Exit


def examples(*commands: str) -> str:
    """Write the end of a help text: commands that work when pasted."""
    # \b keeps the line breaks of the paragraph.
    return "\n".join(["Examples:\n\n\b", *(f"  {command}" for command in commands)])


def with_options(
    options: type[Chosen], *, check: Callable[..., None] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a typer command the fields of an options dataclass as arguments and options.

    The command's parameter `options` receives the dataclass, made before PyTorch is imported.
    `check` is called before it is made, with the command's other arguments.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        declared = [one for one in options_of(options) if one.kind != "callback"]
        names = {one.name for one in declared}

        @wraps(command)
        def call(**given: Any) -> None:
            values = {name: given.pop(name) for name in names & given.keys()}
            if check is not None:
                check(**given)
            command(**given, options=options(**values))

        others = [one for one in own.parameters.values() if one.name != "options"]
        subject = [one for one in others if one.kind is one.POSITIONAL_OR_KEYWORD]
        parameters = [*subject, *map(_typer_parameter, declared), *others[len(subject) :]]
        parameters.sort(key=lambda one: one.kind)  # those of a base class come first
        call.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {one.name: one.annotation for one in parameters}
        return call

    return decorate


def _typer_parameter(option: Option) -> inspect.Parameter:
    """Make the parameter from which typer reads an argument or option."""
    declaration: Any = {
        "help": option.help,
        "metavar": option.metavar or _metavar_of(option),
        "autocompletion": complete_key if option.metavar in {"KEY=VALUE", "KEY=VALUES"} else None,
        # typer would print bounds without the unit that the text is written in.
        "min": option.minimum if option.parse is None else None,
        "max": option.maximum,
        "parser": None if option.parse is None else _parser_of(option.parse),
    }
    positional = option.kind == "argument"
    info = typer.Argument(**declaration) if positional else typer.Option(option.flag, **declaration)
    default = list(option.default) if option.default == () else option.default
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD if positional else inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is ... else default,
        annotation=Annotated[option.cli_type or _cli_type(option.hint), info],
    )


def _metavar_of(option: Option) -> str | None:
    """Name the value of an option by its choices, or by its field; None for a switch."""
    if option.hint is bool:
        return None
    return "|".join(map(str, option.choices)) or option.name.upper().replace("_", "-")


def complete_recipe(incomplete: str) -> list[str]:
    """List the names of recipes, and the TOML files, that begin so."""
    from singleshot.recipes.load import recipe_files

    written = Path(incomplete)
    folder = written if incomplete.endswith("/") else written.parent
    files = [str(path) for path in folder.glob("*.toml")]
    return [name for name in (*recipe_files(), *files) if name.startswith(incomplete)]


def complete_recipe_or_auto(incomplete: str) -> list[str]:
    """List what `complete_recipe` does, and `auto`."""
    return [*(["auto"] if "auto".startswith(incomplete) else []), *complete_recipe(incomplete)]


def complete_key(incomplete: str) -> list[str]:
    """List the keys of recipes that begin so."""
    from singleshot.recipes.keys import recipe_keys

    return [f"{key}=" for key in recipe_keys() if key.startswith(incomplete)]


def _cli_type(hint: Any) -> Any:
    """Reduce the type of a field to one that typer parses: a path, a list of words, a number …"""
    if get_origin(hint) is Literal or not get_args(hint):
        return hint
    if get_origin(hint) is Sequence:
        return list[str]
    parts = get_args(hint)
    several = [part for part in parts if get_origin(part) is Sequence]
    chosen = several[0] if several else Path if Path in parts else parts[0]
    return _cli_type(chosen) | None if type(None) in parts else _cli_type(chosen)


def _parser_of(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let typer print the message of a ValueError beside the name of the option."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed


Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=_remember_debug,
        expose_value=False,
        help="Show the traceback of an error.",
    ),
]
Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_print_version,
        expose_value=False,
        is_eager=True,
        help="Print the version and exit.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run folder, a checkpoint, an exported model, or the name of a downloaded detector "
        "(see: models download).",
    ),
]
Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="The name of a shipped recipe (see: models list) or a TOML file.",
        autocompletion=complete_recipe,
    ),
]
RecipeOrAuto = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="The name of a shipped recipe (see: models list) or a TOML file; or auto: one is "
        "chosen for the data, the machine and the time, with reasons.",
        autocompletion=complete_recipe_or_auto,
    ),
]
_SET = OVERRIDES["option"]
Overrides = Annotated[
    list[str],
    typer.Option(_SET.flag, metavar=_SET.metavar, help=_SET.help, autocompletion=complete_key),
]
