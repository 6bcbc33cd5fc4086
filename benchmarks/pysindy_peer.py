"""What `discovery.py` runs where pysindy 2.1.0 is: asked by lines of JSON on standard input, and answers by such."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pysindy as ps

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
SHARES = (0.1, 0.316, 1.0, 3.16, 10.0)
MODELS = 10
"""Of an ensemble; their median counts."""


def main() -> None:
    """For each line `found`: the thresholds and units with which exactly the right terms are found; and `cpu`."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        about, begun = json.loads(line), time.process_time()
        with np.load(about["path"]) as data, np.errstate(all="ignore"):
            found = list(of_one(data, about))
        print(json.dumps({"found": found, "cpu": time.process_time() - begun}), flush=True)


def of_one(data: Any, about: dict[str, Any]) -> Iterator[str]:
    """One data set, in its own units and scaled to size one."""
    n = len(data.files) // 2
    own = [data[f"x{k}"] for k in range(n)], [data[f"t{k}"] for k in range(n)]
    size = np.sqrt(np.mean(np.concatenate(own[0]) ** 2, axis=0))
    if about["library"].get("functions"):
        size[:] = 1.0  # functions do not scale
    time_unit = own[1][0][-1] / 10
    scaled = [x / size for x in own[0]], [t / time_unit for t in own[1]]
    for units, (xs, ts) in {"own": own, "scaled": scaled}.items():
        equations = weak if about["method"] == "weak" else differences
        features, rates, names = equations(xs, ts, about)
        for threshold in THRESHOLDS:
            optimizer: Any = ps.STLSQ(threshold=threshold, alpha=1e-4)
            if about["method"] == "ensemble":
                np.random.seed(0)  # noqa: NPY002 - pysindy draws by it
                optimizer = ps.EnsembleOptimizer(optimizer, bagging=True, n_models=MODELS)
            try:
                optimizer.fit(features, rates)
            except (ValueError, np.linalg.LinAlgError):
                continue
            if same(optimizer.coef_, names, about):
                yield f"{threshold} {units}"


class Kept(ps.STLSQ):  # type: ignore[misc]
    """Keeps the linear equations that it is given."""

    def fit(self, features: Any, rates: Any, **more: Any) -> Any:
        """As pysindy's."""
        self.given = np.asarray(features), np.asarray(rates)
        return super().fit(features, rates, **more)


def differences(xs: list[Any], ts: list[Any], about: dict[str, Any]) -> tuple[Any, Any, list[str]]:
    """Terms and rates by smoothed differences; by plain ones at uneven times, which the smoothed ones ignore."""
    even = all(np.allclose(np.diff(t), np.diff(t)[0]) for t in ts)
    method = ps.SmoothedFiniteDifference() if even else ps.FiniteDifference()
    model = ps.SINDy(optimizer=Kept(), feature_library=library(about), differentiation_method=method)
    model.fit(xs, t=ts, feature_names=[*about["states"], *about["inputs"]])
    return *model.optimizer.given, model.get_feature_names()


def weak(xs: list[Any], ts: list[Any], about: dict[str, Any]) -> tuple[Any, Any, list[str]]:
    """Terms and rates in the weak form: the equations of each series, whose times differ, stacked."""
    given = []
    for x, t in zip(xs, ts, strict=True):
        np.random.seed(0)  # noqa: NPY002 - pysindy draws its domains by it
        features = ps.WeakPDELibrary(function_library=library(about), spatiotemporal_grid=t, K=60, p=4)
        model = ps.SINDy(optimizer=Kept(), feature_library=features)
        model.fit([x], t=[t], feature_names=[*about["states"], *about["inputs"]])
        given.append(model.optimizer.given)
    rows, left = zip(*given, strict=True)
    return np.concatenate(rows), np.concatenate(left), model.get_feature_names()


def library(about: dict[str, Any]) -> Any:
    """The same terms as odefit's."""
    parts = [ps.PolynomialLibrary(degree=about["library"]["degree"])]
    functions = {"sin": np.sin, "cos": np.cos}
    if about["library"].get("functions"):
        own = [applied(functions[f]) for f in about["library"]["functions"]]
        names = [called(f) for f in about["library"]["functions"]]
        parts.append(ps.CustomLibrary(library_functions=own, function_names=names))
    if about["library"].get("saturating"):
        own = [rate(k) for k in SHARES]
        names = [lambda x: f"{x}/(K_{x} + {x})" for _ in SHARES]
        parts.append(ps.CustomLibrary(library_functions=own, function_names=names))
    return parts[0] if len(parts) == 1 else ps.ConcatLibrary(parts)


def applied(f: Any) -> Any:
    """A function with one argument by its code, which pysindy counts."""
    return lambda x: f(x)


def called(name: str) -> Any:
    """How a function is written."""
    return lambda x: f"{name}({x})"


def rate(k: float) -> Any:
    """Michaelis and Menten's."""
    return lambda x: x / (k + x)


def same(coefficients: Any, features: list[str], about: dict[str, Any]) -> bool:
    """Whether the terms that are not zero are those of the truth, in each equation."""
    for k, state in enumerate(about["states"]):
        chosen = {written(f) for f, c in zip(features, coefficients[k], strict=True) if c != 0}
        count = sum(c != 0 for c in coefficients[k])
        if chosen != {written(term) for term in about["truth"][state]} or count != len(about["truth"][state]):
            return False
    return True


def written(term: str) -> str:
    """A term with its factors in order: `x z` and `x*z` are the same."""
    return "*".join(sorted(term.replace("*", " ").split())) if "(" not in term else term


if __name__ == "__main__":
    main()
