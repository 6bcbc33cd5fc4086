"""What `discovery.py` runs where pysindy 2.1.0 is: `python pysindy_peer.py ABOUT DATA.npz ...`, JSON out."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import pysindy as ps

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
SHARES = (0.1, 0.316, 1.0, 3.16, 10.0)


def main() -> None:
    """Print for each data set, by method, units and threshold, whether exactly the right terms are found."""
    warnings.simplefilter("ignore")
    about = json.loads(sys.argv[1])
    print(json.dumps([of_one(np.load(path), about) for path in sys.argv[2:]]))


def of_one(data: Any, about: dict[str, Any]) -> dict[str, bool]:
    """One data set, in its own units and scaled to size one."""
    n = len(data.files) // 2
    own = [data[f"x{k}"] for k in range(n)], [data[f"t{k}"] for k in range(n)]
    size = np.sqrt(np.mean(np.concatenate(own[0]) ** 2, axis=0))
    if about["library"].get("functions"):
        size[:] = 1.0  # functions do not scale
    time = own[1][0][-1] / 10
    scaled = [x / size for x in own[0]], [t / time for t in own[1]]
    found: dict[str, bool] = {}
    even = all(np.allclose(np.diff(t), np.diff(t)[0]) for t in own[1])
    for units, (xs, ts) in {"own": own, "scaled": scaled}.items():
        for method in ("smoothed", "weak", "ensemble"):
            with np.errstate(all="ignore"):
                for threshold, is_right in of_method(method, xs, ts, about, even).items():
                    found[f"{method} {threshold} {units}"] = is_right
    return found


def of_method(method: str, xs: list[Any], ts: list[Any], about: dict[str, Any], even: bool) -> dict[float, bool]:
    """By threshold."""
    names = [*about["states"], *about["inputs"]]
    if method == "weak":
        return weak(xs, ts, about, names)
    found = {}
    for threshold in THRESHOLDS:
        optimizer: Any = ps.STLSQ(threshold=threshold, alpha=1e-4)
        if method == "ensemble":
            optimizer = ps.EnsembleOptimizer(optimizer, bagging=True, n_models=10)
        differences = ps.SmoothedFiniteDifference() if even else ps.FiniteDifference()
        model = ps.SINDy(optimizer=optimizer, feature_library=library(about), differentiation_method=differences)
        try:
            model.fit(xs, t=ts, feature_names=names)
            found[threshold] = same(model.coefficients(), model.get_feature_names(), about)
        except (ValueError, np.linalg.LinAlgError):
            found[threshold] = False
    return found


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


def weak(xs: list[Any], ts: list[Any], about: dict[str, Any], names: list[str]) -> dict[float, bool]:
    """The weak form: the equations of each series, whose times differ, solved together."""
    rows, left = [], []
    for x, t in zip(xs, ts, strict=True):
        np.random.seed(0)  # noqa: NPY002 - pysindy draws its domains by it
        features = ps.WeakPDELibrary(function_library=library(about), spatiotemporal_grid=t, K=60, p=4)
        model = ps.SINDy(optimizer=ps.STLSQ(threshold=1e-12), feature_library=features)
        model.fit([x], t=[t], feature_names=names)
        rows.append(np.asarray(features.transform([x])[0]))
        left.append(np.asarray(features.convert_u_dot_integral(x)))
    found = {}
    for threshold in THRESHOLDS:
        optimizer = ps.STLSQ(threshold=threshold, alpha=1e-4)
        optimizer.fit(np.concatenate(rows), np.concatenate(left))
        found[threshold] = same(optimizer.coef_, model.get_feature_names(), about)
    return found


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
