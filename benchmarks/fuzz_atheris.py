"""A fuzz target for what reads a stranger's text first: the formula parser and the YAML loader.

    python benchmarks/fuzz_atheris.py [CORPUS] -max_total_time=600

Needs `atheris` (coverage-guided, Linux, `pip install atheris`). A finding is any exception but InputError, or an input
that takes longer than two seconds; libFuzzer writes it to a file `crash-…`, `timeout-…` or `oom-…` here.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["odefit", "yaml"]):
    import yaml  # noqa: F401

    from odefit.config.load import validate
    from odefit.config.source import parse_yaml
    from odefit.errors import InputError
    from odefit.model.formulas import parse_formula
    from odefit.model.system import Network

NAMES = ("x", "y", "k", "lambda", "µ")
NETWORKS = {"net": Network("net", 2, 2), "one": Network("one", 1, 1)}
LONGEST = 2.0
"""Seconds for one text."""
FORMULAS = (
    "alpha*x - k*x*y",
    "piecewise(x, t < 1, k^2, x >= 2 and not y < 1, 0.5)",
    "exp(-k*t)*sqrt(x^2 + y**2) + max(x, y, 1e-3)",
    "heaviside(t - 1)*sigmoid(x/(1 + y)) - sign(x)*abs(y)^1.5",
    "net(x, y)[1] + one(x)*pi - e^x",
    "((x + 1)^2)^0.5 - log10(2*k)^-3 + lambda*µ",
    "1 < x < 2 == not (y > 3 or k != 0)",
)
DOCUMENTS = (
    "model: {equations: {x: -k*x}}\nparameters: {k: {value: 0.5, bounds: [0, 1]}}\ndata: {csv: d.csv}\n",
    "a: &a [1, 2]\nb: *a\n<<: {c: 1e-6}\nd: |\n  text\n",
    "noise: {x: {model: student_t, df: 3}}\nfit: {starts: 5, method: lbfgs}\n",
    "model: {name: mlp, states: [x, y], hidden: [8]}\ndata:\n  simulate: {times: {start: 0, stop: 1, count: 5}}\n",
    "data: {csv: d.csv, doses: [{time: 1, amount: 2, every: 3, count: 4}], hold_out: {after: 3}}\n",
    '%YAML 1.2\n---\n"\\x41": !!str 1\n? x\n: - .inf\n  - ~\n...\n',
)
WORDS = (
    *("sin", "cos", "tan", "asin", "atan", "sinh", "tanh", "acosh", "exp", "log", "ln", "log10", "sqrt", "abs", "sign"),
    *("heaviside", "sigmoid", "max", "min", "piecewise", "pow", "and", "or", "not", "net", "one", "pi", "**", "<="),
    *("==", "!=", "1e308", "1e-300", "0.5", "[0]", "model", "equations", "parameters", "data", "csv", "simulate"),
    *("observables", "initial", "estimate", "bounds", "prior", "noise", "doses", "inputs", "events", "hold_out", "by"),
    *("steady_state", "experiments", "!!python/object", "&a", "*a", "<<", ".nan", "---", "...", "%YAML"),
)


def one_input(data: bytes) -> None:
    """The first byte chooses the reader, the others are its text."""
    text = data[1:].decode("utf-8", errors="replace")
    begun = time.perf_counter()
    try:
        if data[:1] < b"\x80":
            parse_formula(text, NAMES, "f", NETWORKS)
        else:
            validate(parse_yaml(text, "c.yaml"))
    except InputError as error:
        if not all(fault.what and "\n" not in fault.where for fault in error.faults):
            raise ValueError(f"a fault without a place or a sentence: {error!r}") from error
    seconds = time.perf_counter() - begun
    if seconds > LONGEST:
        raise TimeoutError(f"{seconds:.1f} s for {text!r}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "words").write_text("\n".join(f'"{word}"' for word in WORDS))
        seeds = folder / "seeds"
        seeds.mkdir()
        for first, texts in ((b"\0", FORMULAS), (b"\xff", DOCUMENTS)):
            for number, text in enumerate(texts):
                (seeds / f"{first.hex()}-{number}").write_bytes(first + text.encode())
        options = [f"-dict={folder / 'words'}", "-max_len=4000", "-timeout=20", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], str(seeds)], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
