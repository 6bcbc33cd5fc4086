"""What the catalogue says of a built-in system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from odefit.records import dataclass


@dataclass(frozen=True)
class Entry:
    """A built-in system. All numbers are without units.

    Parameters
    ----------
    name, title, reference
        Its name in a config, in words, and its source.
    time_span
        From the start to the end of an example.
    equations
        State -> formula of its time derivative, in the language of `parse_formula`.
    parameters
        Nominal values.
    initial
        Values of the states at the start of `time_span`.
    measured
        What is usually measured, observable -> formula, where that is not every state.
    of_measured
        Parameters of `measured` alone, with nominal values.
    notes
        What a user should know.
    family
        Whether the equations follow from the names of the states (see `linear_equations`, `mlp_equations`), so that the
        mappings here are empty.
    known
        Parameters that who makes the experiment sets or measures apart, so that they are not estimated.
    """

    name: str
    title: str
    reference: str
    time_span: tuple[float, float]
    equations: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    initial: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, str] = field(default_factory=dict)
    of_measured: Mapping[str, float] = field(default_factory=dict)
    notes: str = ""
    family: bool = False
    known: tuple[str, ...] = ()
