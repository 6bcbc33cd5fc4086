"""Tsitouras' method of order 5 with an error estimate of order 4.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

In each of seven stages, the last of which is the first of the next step, and with an error of h sum_i E_i k_i,

    k_i = f(t + C_i h, z + h sum_j A_ij k_j),  and at the end  z + h sum_i B_i k_i.

Steps follow Gustafsson's PI rule; none goes beyond the end of the experiment, so that equations are never evaluated
outside of it. Between steps the solution is the method's own interpolant, of order 4.

References
----------
Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, Computers &
Mathematics with Applications 62 (2011); E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I,
II.4 (control).
"""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.stepping import (
    COMES,
    DONE,
    EXPLODES,
    INITIAL_NOT_FINITE,
    INITIAL_SENSITIVITIES_NOT_FINITE,
    NO_ROOM,
    NOT_FINITE,
    RATE_NOT_FINITE,
    SENSITIVITIES_LOST,
    SENSITIVITIES_NOT_FINITE,
    STEP_TOO_SMALL,
    STIFF,
    TANGLED,
    TOO_MANY_STEPS,
    Curve,
    Initial,
    Rates,
    all_finite,
    first_step,
    largest,
    loosen,
    put,
    remember,
    speed,
)
from odefit.engines.kernel.watching import NOWHERE, first_crossing, missing

# The method, in the letters of above; C is 1 for the last two stages, and A_7j are B_j.
# fmt: off
C2, C3, C4, C5 = 0.161, 0.327, 0.9, 0.9800255409045097
A21 = 0.161
A31, A32 = -0.008480655492356989, 0.335480655492357
A41, A42, A43 = 2.8971530571054935, -6.359448489975075, 4.3622954328695815
A51, A52, A53, A54 = 5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525
A61, A62, A63, A64, A65 = (
    5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383
)
B1, B2, B3, B4, B5, B6 = (
    0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774
)
E1, E2, E3, E4, E5, E6, E7 = (
    -0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629, 0.5823571654525552,
    -0.45808210592918697, 0.015151515151515152
)
# fmt: on

SAFETY = 0.9
SLOWEST = 0.2
FASTEST = 10.0
ERROR_EXPONENT = -0.14
MEMORY_EXPONENT = 0.08
LEAST_ERROR = 1e-10
REJECTED_EXPONENT = -0.2
# A step is too small where it is below this share of the time.
LEAST_STEP = 1e-15
TINIEST_STEP = 1e-290
# h |lambda| near the edge of the stability region, 3.3. It is stiff after STIFF_STEPS more steps there than elsewhere;
# where what is left would take FAR_AHEAD times the steps for which it is worth to be asked, sooner.
STABILITY_LIMIT = 2.5
STIFF_STEPS = 15
SURELY_STIFF_STEPS = 3
FAR_AHEAD = 20.0
# Of the end of a step at which a condition changes sides.
MOST_CORRECTIONS = 8


def integrate(
    sizes: IntArray,
    size: int,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    initial: Initial,
    rates: Rates,
    conditions: int,
    gaps: Rates,
    gap_slopes: Curve,
    watched: FloatArray,
    p: FloatArray,
    start: float,
    end: float,
    count: int,
    times: FloatArray,
    work: FloatArray,
    y: FloatArray,
    dy: FloatArray,
    reached: FloatArray,
    steps: IntArray,
) -> int:
    """One member from start to end, with what it is at some times on the way; how it ended.

    conditions: how many of them are watched, and end the way where one of them changes sides; see watching.py.
    """
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    atol = work[:]
    rtol = work[size:]
    z = work[2 * size :]
    k1 = work[3 * size :]
    k2 = work[4 * size :]
    k3 = work[5 * size :]
    k4 = work[6 * size :]
    k5 = work[7 * size :]
    k6 = work[8 * size :]
    k7 = work[9 * size :]
    u = work[10 * size :]
    v = work[11 * size :]
    e = work[12 * size :]
    total = work[13 * size :]
    record = work[14 * size :]
    for i in range(2 * size, 14 * size):
        work[i] = 0.0
    if sizes[7] > 0:
        record[0] = 0.0
    t = start
    reached[0] = t
    steps[0] = 0
    initial(p, z)
    for i in range(states):
        if not isfinite(z[i * width]):
            return INITIAL_NOT_FINITE
    if not all_finite(size, z):
        return INITIAL_SENSITIVITIES_NOT_FINITE
    done = 0
    while done < count and times[done] <= t:
        put(states, width, slopes, z, y[done * states :], dy[done * states * slopes :])
        done += 1
    if not t < end:
        return DONE
    rates(t, z, p, k1)
    for i in range(states):
        if not isfinite(k1[i * width]):
            return RATE_NOT_FINITE
    if not all_finite(size, k1):
        return SENSITIVITIES_NOT_FINITE
    loosen(states, width, slopes, tolerances, columns, scales, p, z, work)
    h = first_step(states, width, size, rates, p, t, end, atol, rtol, z, k1, k2, u, e, total)
    if not h > 0.0:
        return EXPLODES
    before = 1e-4
    grew = FASTEST
    stiff = 0
    homing = 0
    while t < end:
        if steps[0] >= sizes[4]:
            return TOO_MANY_STEPS
        if h <= LEAST_STEP * abs(t) or h <= TINIEST_STEP:
            for i in range(states):
                if not isfinite(k7[i * width]):
                    return NOT_FINITE
            if not all_finite(size, k7):
                return SENSITIVITIES_LOST
            return STEP_TOO_SMALL
        is_last = homing == 0 and t + 1.01 * h >= end
        if is_last:
            h = end - t
        steps[0] += 1
        u[:size] = z[:size] + (h * A21) * k1[:size]
        rates(t + C2 * h, u, p, k2)
        u[:size] = z[:size] + (h * A31) * k1[:size] + (h * A32) * k2[:size]
        rates(t + C3 * h, u, p, k3)
        u[:size] = z[:size] + (h * A41) * k1[:size] + (h * A42) * k2[:size] + (h * A43) * k3[:size]
        rates(t + C4 * h, u, p, k4)
        u[:size] = (
            z[:size] + (h * A51) * k1[:size] + (h * A52) * k2[:size] + (h * A53) * k3[:size] + (h * A54) * k4[:size]
        )
        rates(t + C5 * h, u, p, k5)
        v[:size] = (
            z[:size]
            + (h * A61) * k1[:size]
            + (h * A62) * k2[:size]
            + (h * A63) * k3[:size]
            + (h * A64) * k4[:size]
            + (h * A65) * k5[:size]
        )
        after = t + h
        if is_last:
            after = end
        rates(after, v, p, k6)
        u[:size] = (
            z[:size]
            + (h * B1) * k1[:size]
            + (h * B2) * k2[:size]
            + (h * B3) * k3[:size]
            + (h * B4) * k4[:size]
            + (h * B5) * k5[:size]
            + (h * B6) * k6[:size]
        )
        rates(after, u, p, k7)
        e[:size] = (
            (h * E1) * k1[:size]
            + (h * E2) * k2[:size]
            + (h * E3) * k3[:size]
            + (h * E4) * k4[:size]
            + (h * E5) * k5[:size]
            + (h * E6) * k6[:size]
            + (h * E7) * k7[:size]
        )
        e[:size] = (e[:size] / (atol[:size] + rtol[:size] * np.maximum(np.abs(z[:size]), np.abs(u[:size])))) ** 2
        error = sqrt(largest(states, width, e, total))
        if not error <= 1.0:
            if isfinite(error):
                h = h * max(SLOWEST, SAFETY * error**REJECTED_EXPONENT)
            else:
                h = 0.1 * h
            grew = 1.0
            homing = 0
            continue
        if conditions > 0:
            # A step within which something comes is done again, until it ends there.
            if homing == 0:
                share = first_crossing(states, width, t, h, z, k1, u, k7, p, end - start, gaps, watched)
                if share < NOWHERE:
                    h = share * h
                    homing = 1
                    continue
            else:
                off = missing(states, width, after, u, k7, p, gaps, gap_slopes, watched)
                if not abs(off) <= watched[2]:
                    if not isfinite(off) or homing > MOST_CORRECTIONS:
                        return TANGLED
                    h = h + off
                    homing += 1
                    continue
        while done < count and times[done] <= after:
            interpolate(size, (times[done] - t) / h, h, z, k1, k2, k3, k4, k5, k6, k7, e)
            put(states, width, slopes, e, y[done * states :], dy[done * states * slopes :])
            done += 1
        if sizes[5] > 0:
            if h * speed(size, atol, rtol, z, u, v, k6, k7, e) > STABILITY_LIMIT:
                stiff += 1
                ahead = (end - after) / (h * float(sizes[5]))
                if stiff >= STIFF_STEPS and ahead > 1.0:
                    return STIFF
                if stiff >= SURELY_STIFF_STEPS and ahead > FAR_AHEAD:
                    return STIFF
            elif stiff > 0:
                stiff -= 1
        if sizes[7] > 0 and not remember(states, sizes[7], t, h, z, u, record):
            return NO_ROOM
        t = after
        reached[0] = t
        z[:size] = u[:size]
        if homing > 0:
            return COMES
        loosen(states, width, slopes, tolerances, columns, scales, p, z, work)
        k1[:size] = k7[:size]
        error = max(error, LEAST_ERROR)
        h = h * min(grew, max(SLOWEST, SAFETY * error**ERROR_EXPONENT * before**MEMORY_EXPONENT))
        before = max(error, 1e-4)
        grew = FASTEST
    return DONE


def interpolate(
    size: int,
    x: float,
    h: float,
    z: FloatArray,
    k1: FloatArray,
    k2: FloatArray,
    k3: FloatArray,
    k4: FloatArray,
    k5: FloatArray,
    k6: FloatArray,
    k7: FloatArray,
    out: FloatArray,
) -> None:
    """The solution at t + x h, 0 <= x <= 1."""
    x2 = x * x
    b1 = h * -1.0530884977290216 * x * (x - 1.3299890189751412) * (x2 - 1.4364028541716351 * x + 0.7139816917074209)
    b2 = h * 0.1017 * x2 * (x2 - 2.1966568338249754 * x + 1.2949852507374631)
    b3 = h * 2.490627285651252793 * x2 * (x2 - 2.38535645472061657 * x + 1.57803468208092486)
    b4 = h * -16.54810288924490272 * (x - 1.21712927295533244) * (x - 0.61620406037800089) * x2
    b5 = h * 47.37952196281928122 * (x - 1.203071208372362603) * (x - 0.658047292653547382) * x2
    b6 = h * -34.87065786149660974 * (x - 1.2) * (x - 0.666666666666666667) * x2
    b7 = h * 2.5 * (x - 1.0) * (x - 0.6) * x2
    out[:size] = (
        z[:size]
        + b1 * k1[:size]
        + b2 * k2[:size]
        + b3 * k3[:size]
        + b4 * k4[:size]
        + b5 * k5[:size]
        + b6 * k6[:size]
        + b7 * k7[:size]
    )
