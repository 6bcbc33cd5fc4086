"""The doses of a table of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.labels import Labels
from odefit.data.nonmem.records import DOSE, MODELLED, RESET_AND_DOSE
from odefit.records import dataclass


@dataclass(frozen=True)
class EventDoses:
    """What doses there are.

    Parameters
    ----------
    largest
        The largest amount; None where there are none.
    modelled
        Compartments of doses whose rate (`R`) or duration (`D`) the model estimates: RATE -1, -2.
    into
        The labels of their compartments; "" where no column says it.
    measured
        Those of the compartments that are measured.
    are_infusions
        Whether all of them take time.
    """

    largest: float | None = None
    modelled: Sequence[tuple[str, str]] = ()
    into: Sequence[str] = ()
    measured: Sequence[str] = ()
    are_infusions: bool = False


NO_DOSES = EventDoses()


def doses_of(
    labels: Mapping[str, Labels], numbers: Mapping[str, FloatArray], names: Mapping[str, str], kinds: FloatArray
) -> EventDoses:
    """The doses.

    Parameters
    ----------
    labels, numbers
        Column -> its cells, and their numbers [R].
    names
        Role -> column.
    kinds
        EVID of each row [R].
    """
    zeros = np.zeros(len(kinds))

    def column(role: str) -> FloatArray:
        return np.nan_to_num(numbers[names[role]]) if role in names else zeros

    is_dose = np.isin(kinds, (DOSE, RESET_AND_DOSE))
    cmt = labels[names["cmt"]] if "cmt" in names else Labels(np.zeros(len(kinds), np.int64), ("",))
    rates, into = column("rate"), cmt.codes
    modelled = {
        (MODELLED[int(rate)][0].upper(), cmt.names[code])
        for rate, code in zip(rates[is_dose].tolist(), into[is_dose].tolist(), strict=True)
        if rate in MODELLED
    }
    return EventDoses(
        float(column("amt").max(initial=0.0)) or None,
        sorted(modelled),
        [cmt.names[code] for code in sorted(set(into[is_dose].tolist()))],
        [cmt.names[code] for code in sorted(set(into[kinds == 0].tolist()))],
        bool(is_dose.any() and ((rates != 0) | (column("dur") > 0))[is_dose].all()),
    )
