"""The model as mathematics: equations, where they start, what is measured, how measurements scatter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from odefit.errors import OdefitError
from odefit.fitting.run import Run
from odefit.model.formulas import parse_formula
from odefit.model.sharing import written_size
from odefit.model.system import System, Trigger
from odefit.model.tokens import written_names
from odefit.problem.described import ESTIMATE, FIRST, GIVEN
from odefit.reporting.blocks import Block, Bullets, Equations, Paragraph, Section
from odefit.reporting.markup import element, joined
from odefit.reporting.mathml import LARGEST, formula, rows
from odefit.reporting.sections.noise import noise_lines
from odefit.reporting.symbols import fenced, inline
from odefit.reporting.symbols import symbol as letter
from odefit.text import counted

MOST_LINES = 80
"""Equations, expressions, events or parameters that are set."""

Line = tuple[Markup, str, list[Markup]]


def model(run: Run) -> Section:
    """What was fitted, as formulas."""
    described, section = run.assembly.described, run.loaded.config.model
    system = described.system
    texts = section.equations or {}
    blocks: list[Block] = [Paragraph(_sentence(system))]
    lines = [_line(slope(name), texts.get(name), f, system) for name, f in system.equations.items()]
    blocks.append(Equations(lines[:MOST_LINES], "Equations"))
    if len(lines) > MOST_LINES:
        blocks.append(Paragraph(f"And {len(lines) - MOST_LINES:,} more, in the config at the end."))
    named = [_line(letter(n), text, system.expressions.get(n), system) for n, text in section.expressions.items()]
    if named:
        blocks.append(Equations(named[:MOST_LINES], "with"))
    ties = [_line(letter(name), None, f, system) for name, f in described.ties.items()]
    if ties:
        blocks.append(Equations(ties[:MOST_LINES], "Parameters that follow from others"))
    starts = _starts(run)
    if starts:
        blocks.append(Equations(starts[:MOST_LINES], "At the start"))
    if happenings := _happenings(system):
        blocks.append(Bullets(happenings[:MOST_LINES]))
    blocks.append(Equations(noise_lines(run)[:MOST_LINES], "Measured"))
    given = dict.fromkeys((d.name.partition("[")[0], d.text) for d in run.assembly.derived)
    derived = [(letter(n), "=", [_parsed(text, system)]) for n, text in given if n not in described.ties]
    if derived:
        blocks.append(Equations(derived[:MOST_LINES], "Computed from the estimates"))
    return Section("model", "The model", blocks)


def _sentence(system: System) -> str:
    parts = [f"{counted(len(system.states), 'state')} follow" if len(system.states) > 1 else "One state follows"]
    parts.append("ordinary differential equations" if len(system.states) > 1 else "an ordinary differential equation")
    text = " ".join(parts)
    if system.networks:
        text += f", in which {counted(len(system.networks), 'neural network')} stand for what is not known"
    return f"{text}."


def slope(name: str) -> Markup:
    """d name / d t."""
    d = element("mi", "d", mathvariant="normal")
    return element("mfrac", element("mrow", d, letter(name)), element("mrow", d, element("mi", "t")))


def _line(left: Markup, text: str | None, node: Any, system: System) -> Line:
    """A formula as it was written, where the config has it; else as it is computed."""
    if text is not None:
        try:
            node = parse_formula(text, written_names(text), networks=system.networks)
        except OdefitError:
            return left, "=", [element("mtext", text)]
    if node is None or written_size(node) > LARGEST:
        return left, "=", [element("mtext", "a long formula, see the config at the end")]
    return left, "=", rows(node, system.states)


def _parsed(text: str, system: System) -> Markup:
    try:
        return formula(parse_formula(text, written_names(text), networks=system.networks), system.states)
    except OdefitError:
        return element("mtext", text)


def _starts(run: Run) -> list[Line]:
    described, system = run.assembly.described, run.assembly.described.system
    times = {e.start for e in run.measured}
    when = element("mn", f"{times.pop():g}") if len(times) == 1 else letter("t_0")
    words = {ESTIMATE: "estimated", FIRST: "the first measured value", GIVEN: "from the table of experiments"}
    lines = []
    for state, start in system.initial.items():
        left = joined(letter(state), fenced(when))
        known = described.starts.get(f"{state}_0")
        said = words.get(described.initial_kind[state])
        if known is not None:
            lines.append((left, "=", rows(known)))
        elif said is not None:
            value = joined(letter(f"{state}_0"), element("mtext", f"\u2003({said})"))
            lines.append((left, "=", [value]))
        else:
            lines.append((left, "=", rows(start)))
    return lines


def _happenings(system: System) -> list[Markup]:
    found = []
    if system.rest is not None:
        other = _listed(system.rest.values)
        found.append(joined("Before the start the system is at rest", *([", with ", other] if other else []), "."))
    for event in system.events:
        when = element("math", letter("t"), element("mo", "="), formula(event.time))
        found.append(joined("At ", when, ": ", _listed(event.changes, "becomes"), "."))
    found += [_trigger(one) for one in system.triggers]
    return found


def _trigger(one: Trigger) -> Markup:
    condition = one.when.args[0].cond if one.when.is_Piecewise else one.when
    later = () if one.delay is None else (", ", element("math", formula(one.delay)), " later")
    changed = _listed(one.changes, "becomes")
    return joined("When ", element("math", formula(condition)), " becomes true", *later, ": ", changed, ".")


def _listed(values: Mapping[str, Any], verb: str = "") -> Markup:
    parts: list[str] = []
    for k, (name, f) in enumerate(values.items()):
        shown = element("math", formula(f))
        parts += [", "] if k else []
        if verb:
            parts += [inline(name), f" {verb} ", shown]
        else:
            parts.append(element("math", letter(name), element("mo", "="), formula(f)))
    return joined(*parts)
