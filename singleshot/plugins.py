"""Extensions of other packages: backbones, detector families, data formats, losses, recipes.

A package registers them with `singleshot.register`, in a function that it names as an entry point
of the group `singleshot.plugins`. Such functions are called once, when the first recipe or data
set is opened.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from singleshot.errors import PluginError

__all__ = ["Extension", "register", "registered", "with_registered"]

GROUP = "singleshot.plugins"


class Extension:
    """Base class of what `register` takes."""

    @property
    @abstractmethod
    def key(self) -> str:
        """The name that recipes and messages use: unique among the extensions of a type."""


E = TypeVar("E", bound=Extension)

_extensions: list[Extension] = []
_called: set[str] = set()  # entry points


def register(*extensions: Extension) -> None:
    """Add backbones, detector families, data formats, losses or recipes to those there are.

    Args:
        extensions: each a `BackboneKind`, `Family`, `Format`, `ClassificationLossKind`,
            `LocalizationLossKind` or `RecipeFile`. Registering the same object again changes
            nothing.

    Raises:
        PluginError: an object is none of these, or another one has its name.
    """
    for extension in extensions:
        if not isinstance(extension, Extension):
            raise PluginError(
                f"singleshot.register({extension!r}): expected a BackboneKind, Family, Format, "
                f"ClassificationLossKind, LocalizationLossKind or RecipeFile"
            )
        if extension not in _extensions:
            _require_unique([*_extensions, extension], type(extension))
            _extensions.append(extension)


def registered(extension: type[E]) -> tuple[E, ...]:
    """All registered extensions of a type, those of installed plugins included."""
    _load_plugins()
    return tuple(each for each in _extensions if isinstance(each, extension))


def with_registered(built_in: tuple[E, ...], extension: type[E]) -> tuple[E, ...]:
    """The built-in ones, then the registered ones; raises PluginError for a name used twice."""
    together = (*built_in, *registered(extension))
    if len(together) > len(built_in):
        _require_unique(together, extension)
    return together


def _require_unique(extensions: list[Extension] | tuple[E, ...], extension: type) -> None:
    """Refuse two extensions of one type with one name."""
    names = [each.key for each in extensions if isinstance(each, extension)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise PluginError(f"two of type {extension.__name__} are named {twice[0]!r}; rename one")


def _load_plugins() -> None:
    """Call the function of each entry point that has not been called yet."""
    for entry_point in _entry_points(tuple(sys.path)):
        if entry_point.value in _called:
            continue
        # Before the call: what it imports may ask for extensions, too.
        _called.add(entry_point.value)
        try:
            entry_point.load()()
        except Exception as error:
            _called.discard(entry_point.value)
            raise PluginError(
                f"plugin {entry_point.name!r} of the package {_package(entry_point)} cannot be "
                f"loaded ({type(error).__name__}: {error}); repair or uninstall that package"
            ) from error


# The backport importlib_metadata, where a package has installed it, gives entry points of its own.
@cache
def _entry_points(_path: tuple[str, ...]) -> tuple[Any, ...]:
    """Entry points of all installed packages; looking through them takes some milliseconds."""
    return tuple(entry_points(group=GROUP))


def _package(entry_point: Any) -> str:
    """Name and version of the package that declares an entry point."""
    package = entry_point.dist
    return "(unknown)" if package is None else f"{package.name} {package.version}"
