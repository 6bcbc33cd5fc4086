"""Names as a mathematician writes them: `alpha` is α, `k_on` is k with an index, `hare_0` is hare₀."""

from __future__ import annotations

import re

from markupsafe import Markup

from odefit.reporting.markup import element, joined

_LETTERS = (
    *("alpha α", "beta β", "gamma γ", "delta δ", "epsilon ε", "zeta ζ", "eta η", "theta θ", "iota ι", "kappa κ"),
    *("lambda λ", "mu μ", "nu ν", "xi ξ", "pi π", "rho ρ", "sigma σ", "tau τ", "upsilon υ", "phi φ", "chi χ"),
    *("psi ψ", "omega ω", "Gamma Γ", "Delta Δ", "Theta Θ", "Lambda Λ", "Xi Ξ", "Pi Π", "Sigma Σ", "Phi Φ"),
    *("Psi Ψ", "Omega Ω"),
)
GREEK = dict(pair.split() for pair in _LETTERS)
"""Letters by their names."""
SHORT = 2
"""Letters of a name that takes words as its index."""
_TALL = ("mfrac", "mtable", "msqrt")
"""What brackets grow with."""
_PARTS = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"(?P<head>[^\W\d_]+)(?P<number>\d+)")


def symbol(name: str) -> Markup:
    """A name as MathML.

    Parameters
    ----------
    name
        Of a state, a parameter or an observable; `k[mug]` is the k of one experiment.

    Returns
    -------
    markupsafe.Markup
    """
    base, bracket, own = name.partition("[")
    head, *index = _PARTS.findall(base) or [base]
    numbered = _NUMBERED.fullmatch(head)
    if numbered and (len(numbered["head"]) == 1 or numbered["head"] in GREEK):
        head, index = numbered["head"], [numbered["number"], *index]
    if len(head) > SHORT and head not in GREEK and any(not part.isdigit() for part in index):
        head, index = base, []  # `half_life` is a word
    words = [part for part in index if not part.isdigit()]
    if len(words) > 1 and max(map(len, words)) > SHORT:
        index = [base.partition("_")[2]]  # a name in words is an index as it is: sigma of cells_per_ml
    parts = [_part(part) for part in index]
    if bracket:
        parts.append(element("mtext", own.removesuffix("]")))
    if not parts:
        return _identifier(head)
    below = [parts[0]]
    for part in parts[1:]:
        below += [element("mo", ","), part]
    return element("msub", _identifier(head), element("mrow", *below) if len(below) > 1 else below[0])


def _part(text: str) -> Markup:
    return element("mn", text) if text.isdigit() else _identifier(text)


def _identifier(text: str) -> Markup:
    """One letter is set in italics by every browser, a word upright."""
    return element("mi", GREEK.get(text, text))


def inline(name: str) -> Markup:
    """A name in running text."""
    return element("math", symbol(name))


def differs(name: str) -> bool:
    """Whether the mathematician's symbol says more than the name itself."""
    return symbol(name) != element("mi", name)


def applied(function: str, *arguments: Markup) -> Markup:
    """f(x, y)."""
    return joined(
        element("mi", function),
        element("mo", "\u2061"),
        fenced(joined(*(part for k, a in enumerate(arguments) for part in ((element("mo", ","), a) if k else (a,))))),
    )


def fenced(inner: Markup, left: str = "(", right: str = ")") -> Markup:
    """Something in brackets."""
    stretches = None if any(f"<{tall}" in inner for tall in _TALL) else "false"
    return element("mrow", element("mo", left, stretchy=stretches), inner, element("mo", right, stretchy=stretches))
