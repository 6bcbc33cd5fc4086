"""How each built-in system is measured in its example, where that is not as usual: when, what, in which experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from odefit.records import dataclass


@dataclass(frozen=True)
class Example:
    """Measurements of a built-in system at its nominal values.

    Parameters
    ----------
    times
        When is measured; default: `count` times, equally spaced over the time span of the system.
    count, end
        How many times, and the last of them; default: the end of the time span.
    measured
        Observable -> formula; default: `Entry.measured`, or every state.
    noise
        The noise model, or one for each observable; default: lognormal where all is positive, else Gaussian.
    share
        The size of the noise: lognormal its sigma, Gaussian as a share of the range of the measurements.
    initial
        State -> `estimate`, a number or a formula; default: estimated where it is measured and not 0.
    known
        Parameters that are not estimated, beside `Entry.known`.
    experiments
        Experiment -> its constants, of which the names of initial values (`S_0`) are some; default: a single one.
    starts
        Of the fit.
    remark
        What a reader should know of it.
    """

    times: tuple[float, ...] = ()
    count: int = 25
    end: float | None = None
    measured: Mapping[str, str] = field(default_factory=dict)
    noise: str | Mapping[str, str] = ""
    share: float = 0.05
    initial: Mapping[str, str | float] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    experiments: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    starts: int = 20
    remark: str = ""


ORAL = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""When blood is drawn after a dose, in hours."""
LONG = (*ORAL, 30.0, 36.0, 48.0)

EXAMPLES: Mapping[str, Example] = {
    "duffing": Example(count=60),
    "lorenz": Example(count=41, end=4.0, remark="Chaos forgets where it began: the series is short."),
    "rossler": Example(count=61, end=20.0, remark="Chaos forgets where it began: the series is short."),
    "competition": Example(
        experiments={
            "more_x": {"x_0": 20.0, "y_0": 2.0},
            "more_y": {"x_0": 2.0, "y_0": 20.0},
            "alike": {"x_0": 4.0, "y_0": 4.0},
        },
        remark="One mixture does not tell how each species crowds the other: there are three.",
    ),
    "monod": Example(
        initial={"X": "estimate"},
        experiments={f"from_{S}": {"S_0": float(S)} for S in (1, 3, 10)},
        remark="A rich batch hardly shows Ks: there is a poor one beside it.",
    ),
    "haldane": Example(
        initial={"X": "estimate"},
        experiments={f"from_{S}": {"S_0": float(S)} for S in (1, 5, 20)},
        remark="Limitation shows at little substrate, inhibition at much: there are batches of both.",
    ),
    "droop": Example(
        initial={"X": "estimate", "Q": "estimate"}, experiments={f"from_{S}": {"S_0": float(S)} for S in (1, 3, 10)}
    ),
    "baranyi": Example(initial={"N": "estimate", "q": "estimate"}),
    "sir": Example(count=15),
    "seir": Example(count=61),
    "seird": Example(count=61),
    "sir_vaccination": Example(count=51),
    "hiv": Example(count=41, starts=10),
    "influenza": Example(count=17, starts=10),
    "oregonator": Example(count=121, noise="lognormal", starts=5),
    "robertson": Example((0.1, 0.4, 1.0, 4.0, 10.0, 40.0, 100.0, 400.0, 1000.0, 4000.0, 10000.0)),
    "arrhenius": Example(count=11, experiments={f"at_{T}": {"T": float(T)} for T in (290, 300, 310, 320)}),
    "one_compartment_oral": Example(ORAL),
    "two_compartment_oral": Example(LONG),
    "one_compartment_iv": Example(ORAL),
    "two_compartment_iv": Example(LONG),
    "one_compartment_infusion": Example(tuple(t for t in ORAL if t <= 12.0)),
    "transit_absorption": Example(
        ORAL, known=("ka",), remark="MTT and ka act alike, so that one of them must be known."
    ),
    "effect_compartment": Example(tuple(t for t in ORAL if t <= 12.0)),
    "emax": Example(tuple(t for t in ORAL if t <= 12.0)),
    "indirect_response": Example((*LONG, 60.0, 72.0), initial={"C": 20.0, "response": "kin/kout"}),
    "tmdd": Example((*LONG[:-2], 40.0), initial={"C": 100.0, "R": "ksyn/kdeg"}),
    "fitzhugh_nagumo": Example(count=101),
    "goodwin": Example(count=81, known=("K",), remark="Far above K only k1*K^n matters, so that K must be known."),
    "minimal_glucose": Example(
        tuple(map(float, (*range(2, 7), 8, 10, 12, 14, 16, 19, 22, 25, 27, *range(30, 100, 10), *range(100, 200, 20)))),
        share=0.02,
    ),
    "hodgkin_huxley": Example(count=201, starts=5),
    "channel_gate": Example(experiments={f"at_{v}_mV": {"v": float(v)} for v in (-60, -40, -20, 0, 20)}),
    "thevenin_cell": Example(
        (1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 2700.0, 3600.0),
        noise="gaussian",
        share=0.002,
        experiments={f"{current:g}_A".replace(".", "p"): {"current": current} for current in (0.5, 1.25, 2.5)},
    ),
}
"""Systems whose examples are not as usual."""
