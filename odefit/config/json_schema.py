"""The config's JSON Schema: what `odefit schema` prints, and what the wheel holds for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from odefit.config.schema import Config

SCHEMA_FILE = Path(__file__).with_name("odefit.schema.json")
"""`schema_text()` of this version of odefit, written by `odefit schema --out`; a test holds the two together."""


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False  # a key's name in capitals, which editors would show above its description

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        # A value may have the shape of two members of a union, of which odefit takes the one that its tag names.
        return {
            {"oneOf": "anyOf"}.get(key, key): part
            for key, part in super().tagged_union_schema(schema).items()
            if key != "discriminator"
        }


def json_schema() -> dict[str, Any]:
    """The schema of a config, as JSON Schema 2020-12."""
    schema = Config.model_json_schema(schema_generator=_Schema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def schema_text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
