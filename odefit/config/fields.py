"""The kinds of values that a config holds, and what every section of it has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag


def by_shape(value: object) -> str:
    """Which member of a union the user meant, so that faults are told of that one only."""
    return "mapping" if isinstance(value, dict | BaseModel) else "other"


def or_list(value: object) -> str:
    return "list" if isinstance(value, list | tuple) else "other"


def or_text(value: object) -> str:
    return "text" if isinstance(value, str) else "other"


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Cell = Annotated[
    Annotated[Finite, Tag("other")] | Annotated[str, Field(min_length=1, max_length=200), Tag("text")],
    Discriminator(or_text),
]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
# YAML has lists and no tuples: a pair may be written as one, its numbers stay strictly numbers.
LIST = Field(strict=False)
# Formulas stay text here: the model layer reads them and says where they are wrong.
Formula = Annotated[str, BeforeValidator(lambda v: repr(v) if is_number(v) else v), Field(max_length=10_000)]


class Section(BaseModel):
    """A mapping of the config: unknown keys are errors, values are not silently converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
