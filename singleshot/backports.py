"""Names of the library of Python 3.11, also for Python 3.10."""

import sys

__all__ = ["StrEnum", "tomllib"]

if sys.version_info >= (3, 11):
    from enum import StrEnum

    import tomllib
else:
    from enum import Enum

    import tomli as tomllib

    class StrEnum(str, Enum):
        """A string that is one of several, and is printed as its value."""

        __str__ = str.__str__
