"""What a file of measurements has beside them: columns that nothing reads, measurements that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from odefit.data.chosen_rows import Chosen, Excluded
from odefit.data.clock import Clock
from odefit.data.columns import Header
from odefit.data.layouts import Layout
from odefit.records import dataclass


@dataclass
class Beside:
    """What a file of measurements has beside them.

    Parameters
    ----------
    place
        What the file is called in messages.
    unused
        The columns that were not read.
    with_sigma
        The observables whose standard deviations were read, and from which column.
    has_experiments
        Whether a column names the experiments.
    excluded
        The measurements that were left out.
    clock
        What its dates are counted from; None where times are numbers.
    units
        The units of its columns as far as they are known, of the time as `t`.
    """

    place: str = ""
    unused: tuple[str, ...] = ()
    with_sigma: Mapping[str, str] = field(default_factory=dict)
    has_experiments: bool = False
    excluded: tuple[Excluded, ...] = ()
    clock: Clock | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def take(self, header: Header, layout: Layout, names: Sequence[str], chosen: Chosen) -> None:
        """Keep what was found."""
        self.place, self.excluded = header.place(), chosen.excluded
        self.unused = tuple(name for k, name in enumerate(header.names) if name and k not in layout.used)
        sigmas = layout.sigmas * (len(names) if layout.observable is not None else 1)
        found = zip(names, sigmas, strict=False)
        self.with_sigma = {name: header.names[at] for name, at in found if at is not None}
        self.has_experiments = layout.experiment is not None
