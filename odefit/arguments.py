"""Arguments of the public functions: what cannot be what it should is one line that says so, before anything is done.

`@checked()` looks at every argument that is given and whose name has a rule here; names mean the same in all functions.
"""

from __future__ import annotations

import functools
import itertools
import math
import numbers
import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from odefit.errors import Fault, InputError
from odefit.text import clip

P = ParamSpec("P")
R = TypeVar("R")
Rule = Callable[[Any], Any]
"""Gives the value as the function wants it. Raises ValueError with what it must be."""
CO_VARARGS = 0x04
"""The flag of a function that has `*args`."""


def checked(**own: Rule) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function so that its arguments are checked; own: rules where a name means something else there.

    Raises
    ------
    InputError
        With all arguments that are wrong. None is right where it is the default.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        of: Any = function
        rules, code = {**RULES, **own}, of.__code__
        ordered = code.co_varnames[: code.co_argcount]
        rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & CO_VARARGS else ""
        defaults = of.__defaults__ or ()
        usual = dict(zip(ordered[len(ordered) - len(defaults) :], defaults, strict=True)) | (of.__kwdefaults__ or {})

        @functools.wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            faults = list[Fault]()

            def found(name: str, value: Any) -> Any:
                if name not in rules or (value is None and usual.get(name, "") is None):
                    return value
                try:
                    return rules[name](value)
                except ValueError as error:
                    faults.append(Fault(name, f"must be {error} (got {clip(repr(value))})"))

            checked_args: Any = tuple(map(found, itertools.chain(ordered, itertools.repeat(rest)), args))
            checked_kwargs: Any = {name: found(name, value) for name, value in kwargs.items()}
            if faults:
                raise InputError(faults=faults)
            return function(*checked_args, **checked_kwargs)

        return asked

    return decorate


def run(value: Any) -> Any:
    """A run, or the path of its folder."""
    if isinstance(value, str | os.PathLike) or (hasattr(value, "result") and hasattr(value, "loaded")):
        return value
    raise ValueError("a run, or the path of its folder")


def runs(value: Any) -> list[Any]:
    """Runs, or the paths of their folders; a single one as it is."""
    if isinstance(value, str | os.PathLike) or hasattr(value, "loaded"):
        return [run(value)]
    try:
        return [run(one) for one in value]
    except (TypeError, ValueError):
        raise ValueError("a list of runs, or of the paths of their folders") from None


def path(value: Any) -> Any:
    """A path."""
    if isinstance(value, str | os.PathLike):
        return value
    raise ValueError("a path")


def number(value: Any) -> float:
    """A real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError("a number")
    return float(value)


def seconds(value: Any) -> float:
    """A span of time."""
    if not isinstance(value, numbers.Real) or math.isnan(value) or value < 0:
        raise ValueError("a number of seconds, 0 or more")
    return float(value)


def whole(value: Any) -> int:
    """A whole number."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise ValueError("a whole number")


def seed(value: Any) -> int:
    """A whole number that random generators take."""
    try:
        found = whole(value)
    except ValueError:
        found = -1
    if found < 0:
        raise ValueError("a whole number, 0 or more")
    return found


def truth(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, str) and str(value) in ("True", "False"):  # NumPy's as well
        return bool(value)
    raise ValueError("True or False")


def text(value: Any) -> str:
    """A word."""
    if isinstance(value, str):
        return value
    raise ValueError("a word")


def names(value: Any) -> list[str]:
    """Names; a single one as it is."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        found = list(value)
        if all(isinstance(one, str) for one in found):
            return found
    raise ValueError("a list of names")


def times(value: Any) -> Any:
    """Numbers, or a mapping of such by experiment."""
    if isinstance(value, Mapping):
        return {name: _array(one) for name, one in value.items()}
    return _array(value)


def times_or_dates(value: Any) -> Any:
    """The same, or dates among them."""
    if isinstance(value, Mapping):
        return {name: times_or_dates(one) for name, one in value.items()}
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    listed = isinstance(value, Sequence) or (kind in "OM" and hasattr(value, "__iter__"))
    dated = [one.isoformat() if hasattr(one, "isoformat") else one for one in (value if listed else ())]
    if not isinstance(value, str) and any(
        isinstance(one, str) and re.match(r"\d{4}-\d{2}-\d{2}", one) for one in dated
    ):
        return dated
    return _array(value)


def span(value: Any) -> tuple[float, float]:
    """Two numbers."""
    try:
        low, high = (number(one) for one in value)
    except (TypeError, ValueError):
        raise ValueError("two numbers, the first below the second") from None
    return low, high


def table(value: Any) -> Any:
    """A path, a mapping of mappings, or a frame."""
    if isinstance(value, str | os.PathLike) or hasattr(value, "columns"):
        return value
    if isinstance(value, Mapping) and all(isinstance(row, Mapping) for row in value.values()):
        return value
    raise ValueError("a path, a frame, or a mapping such as {'name': {'column': 1}}")


def dose_table(value: Any) -> Any:
    """A path, a list of doses, or a frame."""
    if isinstance(value, str | os.PathLike | list | tuple) or hasattr(value, "columns"):
        return value
    raise ValueError("a path, a frame, or a list of doses")


def cluster(value: Any) -> Any:
    """What `fit.cluster` may be."""
    if isinstance(value, str | Mapping):
        return value
    raise ValueError("an address, a mapping as under `fit.cluster`, or 'none'")


def progress(value: Any) -> Any:
    """What is told how far it is."""
    if hasattr(value, "begin") and hasattr(value, "now"):
        return value
    raise ValueError("an object with the methods note, now, begin, part and end")


def _array(value: Any) -> Any:
    import numpy as np

    if not isinstance(value, str | bytes | Mapping):
        try:
            found = np.asarray(value)
            if found.dtype.kind in "iuf" or (found.dtype.kind == "O" and not any(one is None for one in found.flat)):
                return found.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise ValueError("numbers, such as [0, 0.5, 1]")


RULES: Mapping[str, Rule] = {
    "run": run,
    "runs": run,
    "against": runs,
    "folder": path,
    "out": path,
    "inputs": path,
    "level": number,
    "acceptance": number,
    "seconds": seconds,
    **dict.fromkeys(("samples", "draws", "chains", "warm_up", "choose"), whole),
    "seed": seed,
    "overwrite": truth,
    "cluster": cluster,
    "progress": progress,
    **dict.fromkeys(("kind", "intervals", "bands", "criterion"), text),
    **dict.fromkeys(("parameters", "curves", "quantities", "states"), names),
    "times": times,
    "time_range": span,
    "experiments": table,
    "candidates": table,
    "doses": dose_table,
}
