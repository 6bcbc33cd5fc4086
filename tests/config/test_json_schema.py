"""The JSON Schema that editors complete configs from: every key explained, and no stricter than odefit itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from commands import run
from odefit.config.json_schema import SCHEMA_FILE, json_schema, schema_text
from odefit.config.load import load_config
from odefit.config.source import read_yaml

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
MINIMAL = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}, "data": {"csv": "x.csv"}}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def _sections() -> Iterator[tuple[str, dict[str, Any]]]:
    schema = json_schema()
    for name, section in {"Config": schema, **schema["$defs"]}.items():
        yield name, section if "properties" in section else section["anyOf"][0]


def test_every_key_has_a_description() -> None:
    keys = [(name, key, says) for name, section in _sections() for key, says in section["properties"].items()]
    assert len(keys) > 120
    assert not [f"{name}.{key}" for name, key, says in keys if not says.get("description")]


def test_the_file_in_the_wheel_is_what_the_code_says() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json.loads(schema_text()), (
        f"odefit schema --overwrite --out {SCHEMA_FILE}"
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configs(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(read_yaml(path).data)


SHORT_FORMS = """\
parameters: {k: 0.5, twice: 2*k, ten: {formula: 10}}
parameters: {k: {value: 1, bounds: [0, 2], prior: {normal: [1, 0.5]}, by: {fast: [a, b]}}}
noise: lognormal
noise: {x: lognormal}
noise: {model: gaussian, sigma: 0.1}
noise: {model: gaussian}
noise: {x: {sigma: 0.1 + 0.2*x}}
model: {equations: {x: -k*x}, initial: estimate}
model: {equations: {x: -k*x}, initial: {x: 3}, steady_state: true, events: [{time: [1, k], set: {x: 0}}]}
model: {equations: {x: -k*x}, steady_state: {k: 0}}
data: {csv: x.csv, experiments: table.csv}
data: {csv: x.csv, experiments: {csv: table.csv}}
data: {csv: x.csv, experiments: {a: {dose: 1, sex: f}}}
data: {csv: x.csv, doses: doses.csv, inputs: {u: u.csv}}
data: {csv: x.csv, doses: [{time: 1, amount: 2, state: x}]}
data: {csv: x.csv, doses: {table: [{time: 1, amount: 2}], state: x, lag: 0.5, fraction: k}, inputs: {u: {csv: u.csv}}}
data: {simulate: {times: [1, 2], noise: 0.1}}
data: {simulate: {times: {stop: 10, count: 5}, noise: {x: 0.1}, parameters: {k: 3}}}
data: {simulate: {times: {stop: 10, count: 5}, noise: {x: {model: poisson}}}}
fit: {method: adam, schedule: cosine, windows: [10, 34], horizon: [0.1, 0.4]}
""".splitlines()


@pytest.mark.parametrize("text", SHORT_FORMS)
def test_whatever_odefit_reads_an_editor_accepts(text: str, validator: jsonschema.Draft202012Validator) -> None:
    config = MINIMAL | yaml.safe_load(text)
    load_config(config)
    validator.validate(config)


@pytest.mark.parametrize(
    "text",
    [
        "fit: {metod: adam}",
        "fit: {method: adm}",
        "parameters: {k: [1]}",
        "solver: {rtol: -1}",
        "data: {csv: x.csv, hold_out: 3}",
        "noise: {x: {model: gauss}}",
        "titel: x",
    ],
)
def test_faults(text: str, validator: jsonschema.Draft202012Validator) -> None:
    assert not validator.is_valid(MINIMAL | yaml.safe_load(text))


def test_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("schema")[0] == schema_text()
    said, _ = run("schema", "--out", "odefit.schema.json")
    assert said.splitlines()[-1] == "# yaml-language-server: $schema=odefit.schema.json"
    assert json.loads(Path("odefit.schema.json").read_text(encoding="utf-8")) == json_schema()
    assert "exists already" in run("schema", "--out", "odefit.schema.json", code=2)[1]
    run("schema", "--out", "odefit.schema.json", "--overwrite")
    assert "cannot be written" in run("schema", "--out", "odefit.schema.json/x.json", code=2)[1]
