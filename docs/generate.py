"""Writes the pages that say what the code says: `config.md` from the schema, `catalogue.md` from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from odefit.config.json_schema import json_schema
from odefit.model import catalogue
from odefit.model.built_in.entry import Entry

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py: change the descriptions in odefit/ instead. -->\n"
Schema = Mapping[str, Any]

CONFIG_HEAD = """\
# Config reference

Every key that a config may have, as [your editor](editor.md) shows it, too. A key that is not listed is an error.
Paths are relative to the config. `--set fit.starts=50` overrides any key; dots join the names.

A *name* is a letter (behind one `_` or none), then letters, digits or `_`. A *formula* is a number, or text in the
[language of the equations](models.md).
"""
CATALOGUE_HEAD = """\
# Built-in systems

`model: {name: lotka_volterra}` takes equations and nominal parameters from this list; what the config says comes first.
Initial values are estimated, unless the config says otherwise; those of the list are for `data.simulate`.
`odefit models NAME` prints one. They are written as you would write your own.

`odefit demo NAME` writes an example of it: a config with comments, and measurements made at the nominal values with
noise, which it fits; for `lorenz`, `lotka_volterra`, `van_der_pol` and the networks it is a shipped config.
"""


def config_page() -> str:
    return NOTE + CONFIG_HEAD + "".join(_Reference(json_schema()).sections())


class _Reference:
    """The sections of the schema, each under the shortest way that leads to it."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.places: dict[str, str] = {}
        ways = [("", schema)]
        while ways:
            below = [
                found
                for path, section in ways
                for key, value in self.properties(section).items()
                for found in self.references(value, f"{path}.{key}" if path else key)
            ]
            ways = []
            for name, place in sorted(below, key=lambda found: len(found[1])):
                if self.places.setdefault(name, place) == place:
                    ways.append((place, self.schema["$defs"][name]))
        tops = list(self.properties(schema))
        self.order = sorted(self.places, key=lambda n: (tops.index(self.places[n].split(".")[0]), self.places[n]))

    def references(self, schema: Any, path: str) -> Iterator[tuple[str, str]]:
        """The sections that a value may be, and where: `parameters.NAME` in a mapping, `model.events[]` in a list."""
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2], path
        for member in schema.get("anyOf", ()):
            yield from self.references(member, path)
        if "items" in schema:
            yield from self.references(schema["items"], f"{path}[]")
        for member in _members(schema):
            yield from self.references(member, f"{path}.NAME")

    def properties(self, section: Schema) -> Mapping[str, Any]:
        whole = section if "properties" in section else next(m for m in section["anyOf"] if "properties" in m)
        properties: Mapping[str, Any] = whole["properties"]
        return properties

    def sections(self) -> Iterator[str]:
        yield "\n## The whole file\n\n" + self.table(self.schema)
        for name in self.order:
            section = self.schema["$defs"][name]
            yield f"\n## `{self.places[name]}`\n\n{section['description'].strip()}\n\n{self.table(section)}"

    def table(self, section: Schema) -> str:
        required = (section if "properties" in section else section["anyOf"][0]).get("required", ())
        rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
        for key, value in self.properties(section).items():
            default = "required" if key in required else _default(value)
            rows.append(f"| `{key}` | {self.kind(value)} | {default} | {value['description']} |")
        return "\n".join(rows) + "\n"

    def kind(self, schema: Schema) -> str:
        """What a value may be, in words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            place = self.places[name]
            return f"[`{place}`](#{''.join(c for c in place.lower() if c.isalnum() or c in '_-')})"
        if "anyOf" in schema:
            if {"type": "string"} in schema["anyOf"] and {"type": "number"} in schema["anyOf"]:
                return "formula"
            return " or ".join(dict.fromkeys(self.kind(m) for m in schema["anyOf"] if m != {"type": "null"}))
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
        if schema["type"] == "array":
            if "prefixItems" in schema:
                return f"{('two', 'three')[len(schema['prefixItems']) - 2]} numbers"
            return f"list of {self.kind(schema['items'])}"
        if schema["type"] == "object":
            if "properties" in schema:
                return f"`{{{', '.join(f'{key}: …' for key in schema['properties'])}}}`"
            return f"{{name: {' or '.join(self.kind(member) for member in _members(schema))}}}"
        return _simple(schema)


def _members(schema: Schema) -> list[Any]:
    """What stands behind the names of a mapping."""
    given = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    return [member for member in given if isinstance(member, dict)]


def _simple(schema: Schema) -> str:
    if schema["type"] == "string":
        return "name" if "pattern" in schema else "text"
    if schema["type"] == "boolean":
        return "`true`, `false`"
    word = "number" if schema["type"] == "number" else "whole number"
    limits = [
        f"{sign} {schema[key]:g}"
        for key, sign in (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
        if key in schema and abs(schema[key]) < 1e6
    ]
    return f"{word} {', '.join(limits)}".strip()


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value is None or value in ({}, []):
        return "–"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def catalogue_page() -> str:
    parts = [NOTE, CATALOGUE_HEAD]
    for field, entries in catalogue.fields().items():
        parts.append(f"\n## {field[0].upper()}{field[1:]}\n")
        for entry in entries:
            parts.append(
                f"\n### {entry.name}\n\n{entry.title}. {entry.notes}".rstrip() + f"\n\nSource: {entry.reference}\n"
            )
            parts += _equations_of(entry)
    return "".join(parts)


def _equations_of(entry: Entry) -> list[str]:
    if entry.family:
        return []
    parameters = ", ".join(f"`{key} = {value:g}`" for key, value in entry.parameters.items())
    initial = ", ".join(f"`{key} = {value:g}`" for key, value in entry.initial.items())
    rows = [f"| `{state}` | `{formula}` |\n" for state, formula in entry.equations.items()]
    nominal = f"\nNominal values: {parameters or 'none'}. Initially: {initial}.\n"
    return ["\n| state | its derivative |\n|---|---|\n", *rows, nominal]


PAGES = {"config.md": config_page, "catalogue.md": catalogue_page}


def main() -> None:
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
