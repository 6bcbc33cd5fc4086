"""The one table of what differs between kinds of models: which wing of the house fits, loads, draws and checks them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from odefit.config.load import LoadedConfig
from odefit.config.model_section import LATENT_ODE, SPARSE
from odefit.records import dataclass


@dataclass(frozen=True)
class Kind:
    """Where one kind of model is fitted, loaded, drawn and so on, each as `module:function`.

    A function that a kind of model cannot have says so by an error.

    Parameters
    ----------
    plan
        LoadedConfig -> its measurements, and the work that is left: Progress, FitMemory -> the run, in memory.
    load
        Path, result, LoadedConfig -> the run.
    check, describe
        LoadedConfig, name -> the report as text, and as plain JSON values.
    simulate
        LoadedConfig -> Simulated.
    prepare
        LoadedConfig -> the assembled problem of equations, and the truth or None.
    pictures
        Run, choice, faults -> what its pictures share, see `plots/draw.py`.
    animate
        Run, file or folder or None, kind of bands or None, whether with dates -> the file.
    report
        Run -> the sections of its report.
    """

    plan: str
    load: str
    check: str
    describe: str
    simulate: str
    prepare: str
    pictures: str
    animate: str
    report: str


EQUATIONS = Kind(
    plan="odefit.profiles.with_fit:plan",
    load="odefit.fitting.run:load_equations",
    check="odefit.diagnostics.checking:report",
    describe="odefit.diagnostics.checked:document",
    simulate="odefit.problem.simulation:simulate_data",
    prepare="odefit.problem.preparation:prepare",
    pictures="odefit.plots.equation_pictures:EquationPictures",
    animate="odefit.plots.animation:animate",
    report="odefit.reporting.of_equations:sections",
)
KINDS = {
    LATENT_ODE: Kind(
        plan="odefit.latent.latent_fit:plan",
        load="odefit.latent.latent_run:load_latent",
        check="odefit.latent.latent_check:latent_report",
        describe="odefit.latent.latent_check:latent_document",
        simulate="odefit.latent.spirals:simulate_spirals",
        prepare="odefit.latent.unavailable:prepare",
        pictures="odefit.plots.latent_pictures:LatentPictures",
        animate="odefit.plots.latent_animation:animate",
        report="odefit.reporting.of_latent_odes:sections",
    ),
    SPARSE: Kind(
        plan="odefit.discovery.unavailable:plan",
        load="odefit.discovery.unavailable:load",
        check="odefit.discovery.checking:report",
        describe="odefit.discovery.checking:document",
        simulate="odefit.problem.simulation:simulate_data",
        prepare="odefit.discovery.unavailable:plan",
        pictures="odefit.discovery.unavailable:load",
        animate="odefit.discovery.unavailable:load",
        report="odefit.discovery.unavailable:load",
    ),
}
"""Models by name that are no equations; all others are `EQUATIONS`."""


def kind_of(loaded: LoadedConfig) -> Kind:
    return KINDS.get(loaded.config.model.name or "", EQUATIONS)


def at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def call(place: str, *arguments: Any, **options: Any) -> Any:
    """Faults of what was made of another format's problem are told in terms of that."""
    origin = next((a.origin for a in arguments if isinstance(a, LoadedConfig)), None)
    if origin is None:
        return at(place)(*arguments, **options)
    with origin.in_its_words():
        return at(place)(*arguments, **options)
