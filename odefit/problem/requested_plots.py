"""Whether the pictures that a config asks for in `plots` name what there is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import Faults
from odefit.text import clip, suggest


def check_plots(
    loaded: LoadedConfig, quantities: Collection[str], measured: Sequence[Experiment], faults: Faults
) -> None:
    """Every observable, experiment and column that `plots` names exists.

    Parameters
    ----------
    loaded
        The config.
    quantities
        Observables, states and expressions.
    measured
        The experiments.
    faults
        Is told of names that do not exist.
    """
    if not loaded.config.plots:
        return
    from odefit.config.plots_section import TIME_AXIS  # which few configs have

    labels = dict.fromkeys(name for e in measured for name in (replicate_of(e.name), e.name))
    for name, plot in loaded.config.plots.items():
        shown: dict[str, Experiment] = {}
        for i, curve in enumerate(plot.curves):
            place = ("plots", name, "curves", i)
            if curve.observable not in quantities:
                what = f"'{clip(curve.observable)}' is no observable; {suggest(curve.observable, quantities)}"
                faults.add(loaded.where(*place, "observable"), what)
            for label in curve.experiments or ():
                if label not in labels:
                    what = f"'{clip(label)}' is no experiment; {suggest(label, labels)}"
                    faults.add(loaded.where(*place, "experiments"), what)
            wanted = labels if curve.experiments is None else curve.experiments
            shown |= {e.name: e for e in measured if {replicate_of(e.name), e.name} & {*wanted}}
        if plot.x != TIME_AXIS and any(plot.x not in e.constants for e in shown.values()):
            known = dict.fromkeys(column for e in measured for column in e.constants)
            what = f"'{clip(plot.x)}' is neither `time` nor a number of every experiment here"
            faults.add(loaded.where("plots", name, "x"), f"{what}; {suggest(plot.x, known)}")
