"""The library that a config asks for: its terms, the states that they enter, and the signs that they must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.config.library_section import LibrarySection
from odefit.config.load import LoadedConfig
from odefit.discovery.library import Library, Term, as_law, monomials, reactions, saturating, shared_by
from odefit.discovery.series import Series
from odefit.errors import ConfigError, Faults, ModelError
from odefit.model.formulas import parse_formula
from odefit.model.language import FUNCTIONS
from odefit.model.operators import put_numbers
from odefit.model.system import TIME, symbol
from odefit.model.tokens import written_names
from odefit.problem.assembly import Assembly
from odefit.text import suggest

MOST_TERMS = 600
"""The most terms of a library."""


def asked_library(loaded: LoadedConfig, section: LibrarySection, assembly: Assembly, series: Series) -> Library:
    """The library. Raises ConfigError with all that is wrong with it."""
    states = series.states
    inputs = tuple(loaded.config.data.inputs)
    of = tuple(section.of or (*states, *inputs))
    sizes = dict(zip(states, series.sizes, strict=True))
    parameters = loaded.config.parameters
    faults = Faults()
    constants = {name for e in assembly.problem.experiments for name in e.constants}
    for name in of:
        if name not in {*states, *inputs, TIME, *constants}:
            faults.add(loaded.where("model", "library", "of"), f"'{name}' is no state, input, constant or `t`")
    faults.check()
    values = {n: 1.0 if p.value is None else p.value for n, p in parameters.items()}
    every = list(_terms(section, states, of, sizes, values))
    named = {n for t in every for n in written_names(t.text) - t.inner.keys()} - {*states, *FUNCTIONS}
    named |= {n for text in section.known.values() for n in written_names(text)} - {*states, *FUNCTIONS, *parameters}
    others = tuple(sorted(named & {TIME, *inputs, *constants}))
    for name in sorted(named - {*others}):
        what = f"'{name}' is no state, input, constant, parameter or `t`"
        faults.add(loaded.where("model", "library"), what)
    _check_words(loaded, section, every, faults)
    terms = [term for term in every if not _is_without(term, section)]
    if not terms:
        faults.add(loaded.where("model", "library"), "has no term; give a `degree`, `functions` or `terms`")
    if len(terms) > MOST_TERMS:
        what = f"has {len(terms)} terms, and {MOST_TERMS} are the most; lower `degree`, or name fewer variables in `of`"
        faults.add(loaded.where("model", "library"), what)
    faults.check()
    kept = tuple(_with_signs(terms, section))
    if not kept:
        what = "has no term that is 0 where its state is; raise `degree`, or name fewer states in `vanishing`"
        raise ConfigError(loaded.where("model", "library"), what)
    return Library(states, others, kept)


def _terms(
    section: LibrarySection,
    states: tuple[str, ...],
    of: tuple[str, ...],
    sizes: Mapping[str, float],
    values: Mapping[str, float],
) -> Iterator[Term]:
    """All terms, without signs."""
    laws = [law for text in section.conserved if (law := as_law(text, states)) is not None]
    targets = shared_by(laws, states) if laws else [{s: 1.0} for s in states]
    texts: list[tuple[str, dict[str, float], str]] = []
    if section.mass_action:
        for text, net in reactions(states):
            yield Term(text, net, sign=1)
    else:
        texts += [(text, {}, "") for text in monomials(of, section.degree)]
    texts += [(f"{f}({name})", {}, "") for f in section.functions for name in of]
    if section.saturating:
        texts += [(text, inner, family) for text, family, inner in saturating(states, sizes)]
    for text in section.terms:
        inner = {n: values[n] for n in sorted(written_names(text)) if n in values}
        texts.append((text, inner, ""))
    seen = set()
    for text, inner, family in texts:
        key = (_formula(text), tuple(inner.items()))
        if key in seen:
            continue
        seen.add(key)
        for target in targets:
            yield Term(text, target, inner, family=f"{family} {target}" if family else "")


def _formula(text: str) -> Any:
    """What is equal for two texts of the same formula."""
    try:
        return parse_formula(text, written_names(text))
    except ModelError:
        return text


def _check_words(loaded: LoadedConfig, section: LibrarySection, terms: Sequence[Term], faults: Faults) -> None:
    """Whether all terms in `signs` and `without` are in the library."""
    words: dict[str, Mapping[str, Iterable[str]]] = {"signs": section.signs, "without": section.without}
    for key, by_state in words.items():
        for state, texts in by_state.items():
            own = {t.text: _formula(t.text) for t in terms if state in t.targets}
            for text in texts:
                if text not in own and _formula(text) not in own.values():
                    what = f"'{text}' is no term of the library for {state}; {suggest(text, own)}"
                    faults.add(loaded.where("model", "library", key, state), what)


def _is_without(term: Term, section: LibrarySection) -> bool:
    """Whether an equation that a term enters is to lack it."""
    unwanted = [text for state in term.targets for text in section.without.get(state, ())]
    return term.text in unwanted or _formula(term.text) in map(_formula, unwanted)


def _with_signs(terms: Sequence[Term], section: LibrarySection) -> Iterator[Term]:
    """Terms with the signs that they must have: as the config says, and so that positive states stay positive.

    A term of several equations has the signs of all of them, and is left out where these contradict each other.
    """
    for term in terms:
        signs = {term.sign} - {0}
        for state, weight in term.targets.items():
            for text, word in section.signs.get(state, {}).items():
                if _formula(text) == _formula(term.text):
                    signs.add(int(np.sign(weight)) * (1 if word == "positive" else -1))
            if state in section.positive and not _vanishes_with(term, state):
                signs.add(int(np.sign(weight)))
        if any(s in section.vanishing and not _vanishes_with(term, s) for s in term.targets) or len(signs) > 1:
            continue
        yield replace(term, sign=signs.pop()) if signs else term


def _vanishes_with(term: Term, state: str) -> bool:
    """Whether a term is 0 where the state is."""
    formula = parse_formula(term.text, {*written_names(term.text), state})
    try:
        return bool(put_numbers(formula, {symbol(state): 0.0}) == 0)
    except ModelError:
        return False
