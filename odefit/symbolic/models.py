"""A run's model with formulas in place of its networks, as a config."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from odefit import algebra as sp
from odefit.config.earlier import EarlierFit
from odefit.config.load import LoadedConfig, load_config
from odefit.fitting.run import Run
from odefit.model.formula_text import renamed
from odefit.model.system import NetworkCall
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.symbolic.regression import Formula
from odefit.symbolic.samples import Sample
from odefit.symbolic.substitution import everywhere, in_brackets, replaced
from odefit.symbolic.terms import INNER

DIGITS = 6
WIDER = 3.0
"""The limits of a constant within a term are wider by this factor in the fit than in the regression."""
NO_NETWORK = ("name", "states", "networks", "hidden", "activation", "time_input", "direction", "normalise", "output")
"""Keys of the model that go with its networks."""


@dataclass(frozen=True)
class Written:
    """The formulas of all outputs with names for their constants.

    Parameters
    ----------
    texts
        (network, output) -> the formula, over the names of the sample's inputs.
    parameters
        Name -> its section in the config.
    names
        (network, output) -> for each term the name of the constant within, or empty, and that of its factor.
    """

    texts: Mapping[tuple[str, int], str]
    parameters: Mapping[str, Mapping[str, Any]]
    names: Mapping[tuple[str, int], tuple[tuple[str, str], ...]]


def written(run: Run, samples: Sequence[Sample], formulas: Sequence[Formula]) -> Written:
    """Names for all constants: c_1, c_2, ... for factors, K_1, ... for those within terms."""
    config = run.loaded.config
    taken = {*run.assembly.problem.table.names, *config.parameters, *config.model.units, *run.states, *run.observables}
    texts, parameters, names = {}, dict[str, dict[str, Any]](), {}
    for sample, formula in zip(samples, formulas, strict=True):
        parts, own = [], []
        for term, inner, c in zip(formula.terms, formula.inner, formula.coefficients, strict=True):
            text, inside = term.text, ""
            if term.starts:
                inside = name = _free("K", {*taken, *parameters, *sample.inputs})
                sign = 1.0 if inner > 0 else -1.0
                ends = sorted(_shown(sign * end) for end in (term.limits[0] / WIDER, term.limits[1] * WIDER))
                scale = {"scale": "log"} if inner > 0 else {}
                parameters[name] = {"value": _shown(inner), "bounds": ends, **scale}
                text = text.replace(INNER, name)
            name = _free("c", {*taken, *parameters, *sample.inputs})
            parameters[name] = {"value": _shown(c)}
            own.append((inside, name))
            parts.append(name if text == "1" else f"{name}*{text}")
        texts[sample.network, sample.output] = " + ".join(parts)
        names[sample.network, sample.output] = tuple(own)
    return Written(texts, parameters, names)


def _free(letter: str, taken: set[str]) -> str:
    k = 1
    while f"{letter}_{k}" in taken:
        k += 1
    return f"{letter}_{k}"


def _shown(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def with_numbers(text: str, values: Mapping[str, float | None]) -> str:
    """A formula with numbers for its constants."""
    known = {name: f"{value:.4g}" for name, value in values.items() if value is not None}
    found = renamed(text, known).replace("+ -", "- ")
    return found.replace("*1)", ")") if found != "1" else found


def config_of(run: Run, samples: Sequence[Sample], form: Written, folder: Path) -> dict[str, Any]:
    """What stands in the config of the run's folder, with formulas for networks and the data as they were fitted."""
    import yaml

    config: dict[str, Any] = yaml.safe_load((folder / files.CONFIG).read_text(encoding="utf-8"))
    inputs = {(s.network, s.output): s.inputs for s in samples}

    def one(network: str, output: int, arguments: Sequence[str]) -> str:
        names = inputs[network, output]
        pairs = {n: in_brackets(a) for n, a in zip(names, arguments, strict=True) if n != a}
        return renamed(form.texts[network, output], pairs)

    described = run.assembly.described.system
    outputs = {name: network.outputs for name, network in described.networks.items()}
    model = config["model"]
    if "equations" not in model:
        model = {"equations": {s: _plain(f) for s, f in described.equations.items()}, **model}
    model = {key: value for key, value in model.items() if key not in NO_NETWORK}
    data = {key: value for key, value in config["data"].items() if key not in ("simulate", "spirals")}
    config["data"] = {"csv": files.DATA} | data
    sections = config.pop("parameters", {})
    before = _words(config)
    config["model"] = everywhere(model, lambda text: replaced(text, outputs, one))
    # What the network alone had for an argument may be named nowhere any more, which would be refused.
    if "inputs" in data:
        named = _words([config["model"], config.get("noise", {}), sections])
        config["data"]["inputs"] = {name: u for name, u in data["inputs"].items() if name in named}
    after = _words(config) | _words([*sections.values()])
    kept = {name: section for name, section in sections.items() if name not in before or name in after}
    config["parameters"] = {**kept, **{n: dict(p) for n, p in form.parameters.items()}}
    asked = {k: v for k, v in config.get("fit", {}).items() if k in ("seed", "folds")}
    config["fit"] = {"method": "least_squares", "starts": 1, "match": False, **asked}
    return config


def _words(section: Any) -> set[str]:
    """All names in the texts of a part of a config."""
    found: set[str] = set()

    def take(text: str) -> str:
        found.update(re.findall(r"[A-Za-z_]\w*", text))
        return text

    everywhere(section, take)
    return found


def _plain(formula: Any) -> str:
    """A formula of the catalogue with its calls as `replaced` reads them."""
    calls = {
        call: sp.Symbol(f"{call.args[0].name}({', '.join(map(str, call.args[2:]))})[{call.args[1]}]")
        for call in formula.atoms(NetworkCall)
    }
    return str(formula.xreplace(calls)).replace("**", "^")


def loaded_from(run: Run, config: Mapping[str, Any], folder: Path) -> LoadedConfig:
    """The config as one that begins at the run's estimates, its files in the run's folder. Raises ConfigError."""
    loaded = load_config(config)
    names = run.assembly.problem.table.names
    values = {n: float(v) for n, v in zip(names, run.theta, strict=True) if math.isfinite(v)}
    return replace(loaded, path=folder / "symbols.yaml", earlier=EarlierFit("the run with the network", values))


def with_estimates(config: Mapping[str, Any], estimates: Mapping[str, float | None]) -> dict[str, Any]:
    """The config with the estimates of its fit as starting values."""
    parameters = {n: dict(p) if isinstance(p, Mapping) else p for n, p in config["parameters"].items()}
    for name, section in parameters.items():
        value = estimates.get(name)
        if value is None or not isinstance(section, dict) or section.get("estimate") is False or "formula" in section:
            continue
        low, high = section.get("bounds") or (-math.inf, math.inf)
        section["value"] = min(max(_shown(value), low), high)
    return {**config, "parameters": parameters}
