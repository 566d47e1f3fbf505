"""Base class of the tables of a recipe: frozen, and closed to keys that are not declared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

__all__ = ["ByKind", "Count", "Fraction", "Kind", "Positive", "Range", "Settings"]

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Positive, Positive]


class Settings(BaseModel):
    """A table of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Kind(Protocol):
    """One of the classes that a table can have: a family of detectors, a backbone."""

    @property
    def kind(self) -> str:
        """The value of the table's key `kind`."""

    @property
    def settings(self) -> type[Settings]:
        """The class of the table."""


class ByKind:
    """Annotation of a field whose class depends on the table's own key `kind`.

    As pydantic's discriminated union, but the kinds are looked up when a table is read, so that
    plugins can add some. A table without the key is of the kind `default`, if there is one.
    """

    def __init__(self, kinds: Callable[[], Sequence[Kind]], default: str | None = None) -> None:
        self.kinds = kinds
        self.default = default

    def classes(self) -> dict[str, type[Settings]]:
        """Map each kind to the class of its table."""
        return {kind.kind: kind.settings for kind in self.kinds()}

    def validate(self, value: Any) -> Settings:
        """Turn a table into settings of its kind; settings pass as they are."""
        classes = self.classes()
        if isinstance(value, Settings):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("table_type", "expected a table")
        kind = value.get("kind", self.default)
        if kind is None:
            raise _kind_error("missing", value)
        if str(kind) not in classes:
            names = {"names": ", ".join(sorted(classes))}
            raise _kind_error(PydanticCustomError("unknown_kind", "there are {names}", names), kind)
        return classes[str(kind)].model_validate(value)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "oneOf": [handler(each.__pydantic_core_schema__) for each in self.classes().values()]
        }


def _kind_error(kind: str | PydanticCustomError, value: Any) -> ValidationError:
    """Make the error of a wrong key `kind`."""
    return ValidationError.from_exception_data(
        "table", [InitErrorDetails(type=kind, loc=("kind",), input=value)]
    )
