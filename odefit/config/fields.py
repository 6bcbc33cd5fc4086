"""The kinds of values that a config holds, and what every section of it has in common."""

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from odefit.records import dataclass
from odefit.text import plain_label


def by_shape(value: object) -> str:
    """Which member of a union the user meant, so that faults are told of that one only."""
    return "mapping" if isinstance(value, dict | BaseModel) else "other"


def or_list(value: object) -> str:
    return "list" if isinstance(value, list | tuple) else "other"


def or_text(value: object) -> str:
    return "text" if isinstance(value, str) else "other"


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Name = Annotated[str, Field(pattern=r"^_?[A-Za-z][A-Za-z0-9_]*$", max_length=128)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
When = Annotated[Annotated[str, Tag("text")] | Annotated[Finite, Tag("other")], Discriminator(or_text)]
"""A time; a date where the times of the data are dates."""
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Cell = Annotated[
    Annotated[Finite, Tag("other")] | Annotated[str, Field(min_length=1, max_length=100_000), Tag("text")],
    Discriminator(or_text),
]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
# YAML has lists and no tuples: a pair may be written as one, its numbers stay strictly numbers.
LIST = Field(strict=False)
# The text of a cell, which may be a number.
Word = Annotated[
    str,
    BeforeValidator(lambda v: repr(v) if is_number(v) else v, json_schema_input_type=str | float),
]
# Formulas stay text here: the model layer reads them and says where they are wrong.
Formula = Annotated[Word, Field(max_length=100_000)]
# Experiments and groups: those called by a number compare as numbers.
Label = Annotated[Word, AfterValidator(plain_label)]
Unit = Annotated[str, Field(min_length=1, max_length=40)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class OneOf:
    """A name out of a table: what `Literal` is for names that are written down once and for all."""

    names: Callable[[], Sequence[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        del schema, handler
        return {"enum": list(self.names()), "type": "string"}

    def _checked(self, value: Any) -> Any:
        names = self.names()
        if value not in names:
            *before, last = map(repr, names)
            # As pydantic says it of a Literal.
            expected = f"{', '.join(before)} or {last}"
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return value


class Section(BaseModel):
    """A mapping of the config: unknown keys are errors, values are not silently converted.

    `SHORT` says which key a value stands for that is no mapping: `((str, "csv"),)` reads `x.csv` as `{csv: x.csv}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True, hide_input_in_errors=True)
    SHORT: ClassVar[tuple[tuple[type, str], ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        for kind, key in cls.SHORT:
            if isinstance(value, kind) and not isinstance(value, bool):
                return {key: value}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The section's own schema, or that of the key for which a short form stands."""
        reference = handler(core_schema)
        if cls.SHORT:
            section = handler.resolve_ref_schema(reference)
            whole = {key: section.pop(key) for key in list(section) if key not in ("title", "description")}
            keys = dict.fromkeys(key for _, key in cls.SHORT)
            section["anyOf"] = [whole, *(_of_a_value(whole["properties"][key]) for key in keys)]
        return reference


class Rare:
    """A section that few configs have: its file is imported, and what checks it is made, when a config has one.

    To make that of all sections takes as long as to import NumPy.
    """

    def __init__(self, file: str, name: str) -> None:
        self.file, self.name = file, name

    @cached_property
    def section(self) -> type[Section]:
        """The section itself."""
        section: type[Section] = getattr(import_module(f"odefit.config.{self.file}"), self.name)
        return section

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(lambda value: self.section.model_validate(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        del schema
        self.section.model_rebuild()
        # Wrapped, so that the section becomes a definition of its own, as those have it that are not rare.
        return handler(core_schema.definitions_schema(self.section.__pydantic_core_schema__, []))


def rare(file: str, name: str) -> Any:
    """What stands for a rare section in the annotation of a key; type checkers see the section."""
    return Annotated[Any, Rare(file, name)]


def no_items() -> list[Any]:
    """An empty list, as the default of a key: pydantic reads the signature of `list` by Python's tokenizer."""
    return []


def _of_a_value(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key, as one of a value that stands alone."""
    kept = {key: part for key, part in schema.items() if key not in ("title", "default")}
    if "anyOf" in kept:
        kept["anyOf"] = [part for part in kept["anyOf"] if part != {"type": "null"}]
    return kept
