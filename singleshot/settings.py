"""What all tables of a recipe share: they are frozen, and closed to keys not declared."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Count", "Fraction", "Positive", "Range", "Settings"]

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Positive, Positive]


class Settings(BaseModel):
    """Frozen, and closed to keys that are not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
