"""The functions of the formula language in DiffSL: as they are where they can be trusted, else rewritten.

Each takes the text of its argument, and `part`, which gives a text a name so that it is computed once.
All are accurate to some units in the 16th digit, relative to max(1, |x|) at worst, in value and derivative;
at the ends of asin and acos, +-1, the infinite derivative comes out finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

# asinh(z) = z * sum of c_k z^(2k), atan(z) = z * sum of (-1)^k / (2k+1) z^(2k): 1e-17 for |z| < 0.2.
_ASINH = [(-1) ** k * math.comb(2 * k, k) / 4**k / (2 * k + 1) for k in range(12)]
_ATAN = [(-1) ** k / (2 * k + 1) for k in range(13)]
_SINH = [1 / math.factorial(2 * k + 1) for k in range(9)]

Part = Callable[[str], str]


def _series(coefficients: list[float], square: str) -> str:
    text = repr(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        text = f"({c!r} + {square}*{text})"
    return text


def sinh(x: str) -> str:
    """sinh(x) for a name x: DiffSL's own loses its digits near 0."""
    return f"piecewise({x} - 0.5, sinh({x}), -0.5 - {x}, sinh({x}), {x}*{_series(_SINH, f'({x}*{x})')})"


def _tanh(x: str, part: Part) -> str:
    x = part(x)
    return f"piecewise({x} - 20.0, 1.0, -20.0 - {x}, -1.0, {part(sinh(x))}/cosh({x}))"


def _asinh(x: str, part: Part) -> str:
    """log for |x| > 1; below, asinh(x) = 2 asinh(x / sqrt(2 (1 + sqrt(1 + x^2)))), three times."""
    x = part(x)
    z = part(f"max(min({x}, 1.0), -1.0)")
    for _ in range(3):
        z = part(f"{z}/sqrt(2.0*(1.0 + sqrt(1.0 + {z}*{z})))")
    square = part(f"{z}*{z}")
    small = part(f"8.0*{z}*{_series(_ASINH, square)}")
    # |x| > 1e8: sqrt(1 + x^2) is x, and x^2 might overflow.
    size = part(f"abs({x})")
    large = part(f"piecewise({size} - 1e8, log({size}) + {math.log(2)!r}, log({size} + sqrt(1.0 + {x}*{x})))")
    return f"piecewise({x} - 1.0, {large}, -1.0 - {x}, -{large}, {small} + 0.0*{x})"


def _atan(x: str, part: Part) -> str:
    """atan(x) = sign(x) pi/2 - atan(1/x) for |x| > 1; twice atan(w) = 2 atan(w / (1 + sqrt(1 + w^2)))."""
    x = part(x)
    z = part(f"piecewise({x} - 1.0, -1.0/{x}, -1.0 - {x}, -1.0/{x}, {x})")
    for _ in range(2):
        z = part(f"{z}/(1.0 + sqrt(1.0 + {z}*{z}))")
    square = part(f"{z}*{z}")
    turn = f"piecewise({x} - 1.0, {math.pi / 2!r}, -1.0 - {x}, -{math.pi / 2!r}, 0.0)"
    return f"({turn} + 4.0*{z}*{_series(_ATAN, square)})"


def _asin(x: str, part: Part) -> str:
    x = part(x)
    return f"(2.0*{_atan(f'{x}/(1.0 + sqrt((1.0 - {x})*(1.0 + {x})))', part)})"


def _acosh(x: str, part: Part) -> str:
    x = part(x)
    return _asinh(f"sqrt({x} - 1.0)*sqrt({x} + 1.0)", part)


def _atanh(x: str, part: Part) -> str:
    x = part(x)
    return _asinh(f"{x}/sqrt((1.0 - {x})*(1.0 + {x}))", part)


def _tan(x: str, part: Part) -> str:
    x = part(x)
    return f"(sin({x})/cos({x}))"


def _sign(x: str, part: Part) -> str:
    x = part(x)
    return f"piecewise({x}, piecewise(-{x}, 0.0, 1.0), -{x}, -1.0, {x})"


def _capped_exp(most: float, value: float) -> Callable[[str, Part], str]:
    def text(x: str, part: Part) -> str:
        x = part(x)
        return f"piecewise({x} - {most!r}, {value!r}, exp({x}))"

    return text


def _sigmoid(x: str, part: Part) -> str:
    x = part(x)
    return f"piecewise({x}, 1.0/(1.0 + exp(-{x})), exp({x})/(1.0 + exp({x})))"


def _plain(name: str) -> Callable[[str, Part], str]:
    return lambda x, _part: f"{name}({x})"


FUNCTIONS: Mapping[str, Callable[[str, Part], str]] = {
    **{name: _plain(name) for name in ("sin", "cos", "cosh", "exp", "log")},
    "Abs": _plain("abs"),
    "tan": _tan,
    "sinh": lambda x, part: sinh(part(x)),
    "tanh": _tanh,
    "asinh": _asinh,
    "acosh": _acosh,
    "atanh": _atanh,
    "atan": _atan,
    "asin": _asin,
    "acos": lambda x, part: f"({math.pi / 2!r} - {_asin(x, part)})",
    "sigmoid": _sigmoid,
    "sign": _sign,
    "_Capped": _capped_exp(300.0, 1e130),
    "_CappedLow": _capped_exp(120.0, math.exp(120.0)),
    "_CappedCosh": lambda x, _part: f"cosh(max(min({x}, 300.0), -300.0))",
}
