"""The paragraph for a paper: what was done, in the past tense, with the references of what was really used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import field

from odefit.engines.base import Engine
from odefit.engines.methods import METHODS
from odefit.engines.tolerances import atol_words
from odefit.fitting.run import Run
from odefit.records import dataclass
from odefit.reporting.blocks import Bullets, Paragraph, Section, Text
from odefit.reporting.markup import element, joined
from odefit.reporting.references import REFERENCES
from odefit.reporting.words import shown
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.text import counted

NOISE = {
    "gaussian": "normal",
    "proportional": "normal with a standard deviation proportional to the prediction",
    "additive_proportional": "normal with an additive and a proportional part",
    "lognormal": "log-normal",
    "log10_normal": "log-normal (decimal logarithms)",
    "laplace": "Laplace",
    "log_laplace": "Laplace on the logarithmic scale",
    "log10_laplace": "Laplace on the decimal logarithmic scale",
    "student_t": "Student's t",
    "poisson": "Poisson",
    "negative_binomial": "negative binomial",
}
METHOD_WORDS = {
    "tsit5": "Tsitouras' explicit Runge–Kutta method of order 5(4)",
    "rodas5p": "Rodas5P, a stiffly accurate Rosenbrock method of order 5",
    "tsit45": "the explicit Runge–Kutta method of Tsitouras (order 5(4)) of diffsol",
    "bdf": "the backward differentiation formulae of diffsol",
    "esdirk34": "the ESDIRK method of order 3 of diffsol",
    "tr_bdf2": "the TR-BDF2 method of diffsol",
    "dopri5": "the method of Dormand and Prince of order 5(4)",
}


@dataclass
class Cited:
    """Sentences as they grow, and the references in the order in which they are cited."""

    sentences: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def cite(self, *keys: str) -> str:
        """`[1, 2]`."""
        for key in keys:
            if key not in self.keys:
                self.keys.append(key)
        return f"[{', '.join(str(self.keys.index(key) + 1) for key in keys)}]"


def methods(run: StoredRun, others: Sequence[str] = ()) -> Section:
    """The section.

    Parameters
    ----------
    run
        The run.
    others
        Further sentences, each with its references as `sentence|key,key`: of profiles, posteriors and the like.
    """
    cited = Cited()
    if isinstance(run, Run):
        _of_equations(run, cited)
    else:
        _of_latent_ode(run, cited)
    for one in others:
        sentence, _, keys = one.partition("|")
        cited.say(f"{sentence} {cited.cite(*keys.split(','))}." if keys else f"{sentence}.")
    _software(run, cited)
    paragraph = " ".join(cited.sentences)
    entries = [REFERENCES[key] for key in cited.keys]
    listed = [
        joined(entry.text, " ", element("a", entry.link, href=entry.link)) if entry.link else entry.text
        for entry in entries
    ]
    plain = "\n".join(f"[{k}] {entry.text} {entry.link}".rstrip() for k, entry in enumerate(entries, 1))
    blocks = (
        Paragraph("A paragraph for a paper, of what this run has used and nothing else. Shorten it to taste."),
        Paragraph(paragraph, is_lead=False),
        Bullets(listed, "references"),
        Text("Both as plain text", f"{paragraph}\n\n{plain}\n", folded=True),
    )
    return Section("methods", "Methods, for a paper", blocks)


def _of_equations(run: Run, cited: Cited) -> None:
    assembly, result = run.assembly, run.result
    table, observation = assembly.problem.table, assembly.problem.observation
    priors = any(table[name].prior is not None for name in table.estimated_names)
    kinds = list(dict.fromkeys(NOISE[observation.noise[name].model] for name in observation.names))
    trained = assembly.networks is not None
    how = "maximum a posteriori estimation" if priors else "maximum likelihood"
    system = assembly.described.system
    if trained and run.loaded.config.fit.loss != "nll":
        cited.say(
            f"A model of {counted(len(system.states), 'ordinary differential equation')} with "
            f"{counted(len(system.networks), 'neural network')} in it {cited.cite('neural_ode')} was trained on "
            f"{counted(result.objective.n_observations, 'measurement')} of {counted(len(run.measured), 'experiment')} "
            "by minimising the mean squared error."
        )
    else:
        cited.say(
            f"The {counted(result.objective.n_estimated, 'parameter')} of a system of "
            f"{counted(len(system.states), 'ordinary differential equation')} were estimated from "
            f"{counted(result.objective.n_observations, 'measurement')} of {counted(len(run.measured), 'experiment')} "
            f"by {how}, with measurement noise taken as {_and(kinds)}."
        )
    _solver(run, cited)
    _search(run, cited)
    if not trained:
        _errors(run, cited)


def _solver(run: Run, cited: Cited) -> None:
    engine = run.assembly.problem.engine
    name = engine.method_in_use
    method, options = METHODS[name], engine.options
    words = METHOD_WORDS.get(name, f"the method {name}")
    source = {"kernel": "tsit5" if name == "tsit5" else "rodas5p", "diffsol": "diffsol", "torch": "torchdiffeq"}
    keys = [source[method.engine]]
    keys += ["dopri5"] if name == "dopri5" else []
    if name == "rodas5p" and options.method == "auto":
        words = f"{METHOD_WORDS['tsit5']} and, where they are stiff, {words}"
        keys.insert(0, "tsit5")
    if options.step:
        detail = f"step size {options.step:g}"
    else:
        detail = f"relative tolerance {shown(options.rtol)}, absolute tolerance {_atol(engine)}"
    cited.say(f"The equations were solved by {words} ({detail}) {cited.cite(*keys)}.")
    system = run.assembly.described.system
    if method.engine != "torch" and system.is_mechanistic:
        cited.say("Exact sensitivities were integrated along with the states, under error control of their own.")
    if system.events or system.triggers or any(e.doses for e in run.measured):
        cited.say(f"Derivatives were carried exactly across doses and events {cited.cite('saltation')}.")


def _atol(engine: Engine) -> str:
    """One number, or how they go by state."""
    words = atol_words(engine.options, engine.system.states)
    try:
        return shown(float(words))
    except ValueError:
        return words


def _search(run: Run, cited: Cited) -> None:
    result, fit = run.result, run.loaded.config.fit
    n = result.starts.requested
    if result.method in ("least_squares", "global"):
        if result.method == "global":
            cited.say(f"Populations of differential evolution searched the whole box first {cited.cite('evolution')}.")
        is_plain = run.assembly.problem.is_least_squares
        how = "the Levenberg–Marquardt method" if is_plain else "Fisher scoring with Levenberg–Marquardt steps"
        cited.say(f"The objective was minimised by {how} {cited.cite('marquardt')}.")
    elif result.method == "lbfgs":
        cited.say(f"The objective was minimised by L-BFGS with exact gradients {cited.cite('lbfgs')}.")
    elif result.method == "adam":
        cited.say(f"The loss was minimised by Adam {cited.cite('adam')}.")
    if n > 1:
        drawn = f"the best of a Latin hypercube {cited.cite('hypercube')} within the bounds (seed {fit.seed})"
        moved = ""
        if _were_moved(run):
            moved = f", and moved to where the equations match the smoothed data {cited.cite('matching')}"
        best = f"{result.starts.at_best:,} of them reached the best optimum"
        cited.say(f"The search began at {n:,} points, {drawn}{moved}; {best}.")


def _were_moved(run: StoredRun) -> bool:
    """Whether the log says that starts were moved to where the equations match the slopes of the data."""
    try:
        text = "" if run.path is None else (run.path / files.LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "moved first, to where the equations match" in text


def _errors(run: Run, cited: Cited) -> None:
    result = run.result
    if result.information is None:
        return
    source = {
        "expected": "the expected Fisher information",
        "observed": "the observed information (second derivatives of the objective)",
        "sandwich": "a sandwich estimate that allows for the kinks of the likelihood",
        "penalised": "the information of parameters and network weights together, with the penalty as a prior",
    }[result.information]
    degrees = math.inf if run.known_errors is None else run.known_errors.degrees
    law = "the normal distribution" if math.isinf(degrees) else f"Student's t with {degrees:g} degrees of freedom"
    cited.say(
        f"Standard errors follow from {source}; 95 % confidence intervals are symmetric on the scale of the search and "
        f"use {law}."
    )
    if any(p.role == "noise" for p in run.assembly.problem.table if p.estimate):
        cited.say(
            f"Intervals of noise levels allow for the parameters that were fitted to the same data "
            f"{cited.cite('noise_levels')}."
        )
    if result.objective.aicc is not None:
        cited.say(
            f"The negative log-likelihood was {result.objective.nll:.6g} and the corrected Akaike criterion "
            f"{result.objective.aicc:.6g} {cited.cite('aicc')}."
        )


def _of_latent_ode(run: StoredRun, cited: Cited) -> None:
    series = counted(len(run.measured), "series") if len(run.measured) == 1 else f"{len(run.measured)} series"
    cited.say(
        f"A latent ordinary differential equation of {len(run.states)} states {cited.cite('neural_ode')} was trained "
        f"on {series} of {_and(list(run.observables))} by maximising the evidence lower bound {cited.cite('vae')} with "
        f"Adam {cited.cite('adam')}, and solved by torchdiffeq {cited.cite('torchdiffeq')} (seed {run.result.seed})."
    )


def _software(run: StoredRun, cited: Cited) -> None:
    versions = run.result.versions
    networks = not isinstance(run, Run) or run.assembly.networks is not None
    used = [name for name in ("numpy", "scipy", *(("torch",) if networks else ())) if name in versions]
    listed = ", ".join(f"{_proper(name)} {versions[name]}" for name in used)
    python = versions.get("python", "")
    cited.say(
        f"All computations were done with odefit {versions.get('odefit', '')} on Python {python} "
        f"({listed}) {cited.cite(*used)}."
    )


def _proper(name: str) -> str:
    return {"numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch"}.get(name, name)


def _and(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
