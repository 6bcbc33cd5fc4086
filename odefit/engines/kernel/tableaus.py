"""The numbers of Runge-Kutta methods of s stages as flat arrays.

The times of the stages [s], the weights of the end of a step [s], of the stages [s * s], and of the error [s].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray

_CLASSICAL = (0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6), ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
_END = (
    *(0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742),
    *(-3.290069515436081, 2.324710524099774),
)
_TSITOURAS = (
    (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
    (*_END, 0.0),
    (
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
        _END,
    ),
)
_ERROR = (
    *(-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629),
    *(0.5823571654525552, -0.45808210592918697, 0.015151515151515152),
)


def _tableau(
    times: Sequence[float], weights: Sequence[float], stages: Sequence[Sequence[float]], error: Sequence[float] = ()
) -> FloatArray:
    rows = [value for own in stages for value in (*own, *[0.0] * (len(times) - len(own)))]
    return np.array([*times, *weights, *rows, *error])


CLASSICAL = _tableau(*_CLASSICAL)
TSITOURAS = _tableau(*_TSITOURAS, _ERROR)
