"""The functions of the library of mathematics that machine code calls by name, besides `pow`."""

FUNCTIONS = (
    *("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"),
    *("asinh", "acosh", "atanh", "atan", "asin", "acos"),
)
"""Those of formulas."""

LOWERED = ("exp", "tanh", "erf", "log1p")
"""Those that the language of lowering.py knows."""
