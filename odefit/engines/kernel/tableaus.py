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


_STIFF_TIMES = (0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0)
_STIFF_SLOPES = (
    *(0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734),
    *(2.325825639765069, 0.0, 0.0, 0.0),
)
"""Of df/dt, in widths."""
_STIFF_STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
)
"""Of the first six stages; each of the others, and the end of a step, has one stage more besides, as it is."""
_STIFF_RATES: tuple[tuple[float, ...], ...] = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
"""Of stages in the right sides of their equations, per width."""


def _tableau(
    times: Sequence[float], weights: Sequence[float], stages: Sequence[Sequence[float]], error: Sequence[float] = ()
) -> FloatArray:
    rows = [value for own in stages for value in (*own, *[0.0] * (len(times) - len(own)))]
    return np.array([*times, *weights, *rows, *error])


CLASSICAL = _tableau(*_CLASSICAL)
TSITOURAS = _tableau(*_TSITOURAS, _ERROR)


def _stiff_tableau() -> FloatArray:
    a, c = np.zeros((9, 8)), np.zeros((8, 8))
    for table, rows in ((a, _STIFF_STAGES), (c, _STIFF_RATES)):
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
    for i in range(6, 9):
        a[i] = a[i - 1]
        a[i, i - 1] = 1.0
    return np.concatenate([_STIFF_TIMES, _STIFF_SLOPES, a.ravel(), c.ravel()])


RODAS5P = _stiff_tableau()
"""The times of the 8 stages [8], their shares of df/dt [8], and those of stages in states [9, 8], the last row for the
end of a step, and in rates [8, 8]."""
