"""Rodas5P, a Rosenbrock method of order 5 with an error estimate of order 4, for stiff equations.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

It is stiffly accurate and L-stable, and solves linear equations only: with W = 1/(h gamma) - J of the beginning of a
step, in each of eight stages

    W U_i = f(t + T_i h, z + sum_j A_ij U_j) + sum_j (C_ij / h) U_j + D_i h df/dt.

The equations of states and sensitivities are one system whose Jacobian is triangular in blocks, J on the diagonal and
d(J S + P)/dy below it. So one factorisation serves all columns: the states' column first, then the others, whose right
sides have d(J S + P)/dy U_i besides. With these exact derivatives the order holds for sensitivities, too.

References
----------
G. Steinebach, Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia Differential
Equations package, BIT Numerical Mathematics 63, 27 (2023); E. Hairer, G. Wanner, Solving Ordinary Differential
Equations II, IV.7.
"""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.elimination import add_to_diagonal, factorize, substitute
from odefit.engines.kernel.stepping import (
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
)

# The method, in the letters of above; D_1 is gamma. The arguments of the last two stages, and the end of a step, have
# one stage more than those before, as it is, and T is 1 for these.
# fmt: off
GAMMA = 0.21193756319429014
STIFF_T2, STIFF_T3, STIFF_T4, STIFF_T5 = 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664
STIFF_D2, STIFF_D3, STIFF_D4, STIFF_D5 = (
    -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069
)
STIFF_A21 = 3.0
STIFF_A31, STIFF_A32 = 2.849394379747939, 0.45842242204463923
STIFF_A41, STIFF_A42, STIFF_A43 = -6.954028509809101, 2.489845061869568, -10.358996098473584
STIFF_A51, STIFF_A52, STIFF_A53, STIFF_A54 = (
    2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641
)
STIFF_A61, STIFF_A62, STIFF_A63, STIFF_A64, STIFF_A65 = (
    -7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946
)
STIFF_C21 = -14.155112264123755
STIFF_C31, STIFF_C32 = -17.97296035885952, -2.859693295451294
STIFF_C41, STIFF_C42, STIFF_C43 = 147.12150275711716, -1.41221402718213, 71.68940251302358
STIFF_C51, STIFF_C52, STIFF_C53, STIFF_C54 = (
    165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306
)
STIFF_C61, STIFF_C62, STIFF_C63, STIFF_C64, STIFF_C65 = (
    24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471
)
STIFF_C71, STIFF_C72, STIFF_C73, STIFF_C74, STIFF_C75, STIFF_C76 = (
    30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
    -28.087943162872662
)
STIFF_C81, STIFF_C82, STIFF_C83, STIFF_C84, STIFF_C85, STIFF_C86, STIFF_C87 = (
    37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
    -54.66780262877968, -9.48861652309627
)
# fmt: on

STIFF_SAFETY = 0.9
STIFF_SLOWEST = 0.2
STIFF_FASTEST = 6.0
STIFF_EXPONENT = -0.2
STIFF_LEAST_STEP = 1e-15
STIFF_TINIEST_STEP = 1e-290


def integrate_stiff(
    sizes: IntArray,
    size: int,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    initial: Initial,
    rates: Rates,
    matrix: Rates,
    curve: Curve,
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
    """One member from start to end, with what it is at some times on the way; how it ended."""
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    atol = work[:]
    rtol = work[size:]
    z = work[2 * size :]
    f0 = work[3 * size :]
    u = work[4 * size :]
    k1 = work[5 * size :]
    k2 = work[6 * size :]
    k3 = work[7 * size :]
    k4 = work[8 * size :]
    k5 = work[9 * size :]
    k6 = work[10 * size :]
    k7 = work[11 * size :]
    k8 = work[12 * size :]
    e = work[13 * size :]
    ft = work[14 * size :]
    total = work[15 * size :]
    v = work[16 * size :]
    pivots = work[16 * size + states + 1 :]
    jacobian = work[16 * size + 2 * states + 1 :]
    pattern = sizes[9:]
    entries = pattern[0]
    if entries == 0:
        entries = states * states
    w = work[16 * size + 2 * states + 1 + entries :]
    record = w[entries:]
    if sizes[7] > 0:
        record[0] = 0.0
    for i in range(2 * size, 16 * size + 2 * states + 1 + 2 * entries):
        work[i] = 0.0
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
    rates(t, z, p, f0)
    for i in range(states):
        if not isfinite(f0[i * width]):
            return RATE_NOT_FINITE
    if not all_finite(size, f0):
        return SENSITIVITIES_NOT_FINITE
    loosen(states, width, slopes, tolerances, columns, scales, p, z, work)
    h = first_step(states, width, size, rates, p, t, end, atol, rtol, z, f0, k2, u, e, total)
    if not h > 0.0:
        return EXPLODES
    grew = STIFF_FASTEST
    is_new = True
    while t < end:
        if steps[0] >= sizes[4]:
            return TOO_MANY_STEPS
        if h <= STIFF_LEAST_STEP * abs(t) or h <= STIFF_TINIEST_STEP:
            for i in range(states):
                if not isfinite(u[i * width]):
                    return NOT_FINITE
            if not all_finite(size, u):
                return SENSITIVITIES_LOST
            return STEP_TOO_SMALL
        is_last = t + 1.01 * h >= end
        if is_last:
            h = end - t
        steps[0] += 1
        if is_new:
            rates(t, z, p, f0)
            for i in range(entries):
                jacobian[i] = 0.0
            matrix(t, z, p, jacobian)
            for i in range(states):
                v[i] = 0.0
            v[states] = 1.0
            curve(t, z, v, p, ft)
            v[states] = 0.0
            is_new = False
        w[:entries] = -1.0 * jacobian[:entries]
        add_to_diagonal(states, pattern, 1.0 / (h * GAMMA), w)
        if not factorize(states, pattern, w, pivots):
            h = 0.5 * h
            grew = 1.0
            continue
        g = 1.0 / h
        k1[:size] = f0[:size] + (h * GAMMA) * ft[:size]
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k1)
        u[:size] = z[:size] + STIFF_A21 * k1[:size]
        rates(t + STIFF_T2 * h, u, p, k2)
        k2[:size] = k2[:size] + (h * STIFF_D2) * ft[:size] + (g * STIFF_C21) * k1[:size]
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k2)
        u[:size] = z[:size] + STIFF_A31 * k1[:size] + STIFF_A32 * k2[:size]
        rates(t + STIFF_T3 * h, u, p, k3)
        k3[:size] = k3[:size] + (h * STIFF_D3) * ft[:size] + (g * STIFF_C31) * k1[:size] + (g * STIFF_C32) * k2[:size]
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k3)
        u[:size] = z[:size] + STIFF_A41 * k1[:size] + STIFF_A42 * k2[:size] + STIFF_A43 * k3[:size]
        rates(t + STIFF_T4 * h, u, p, k4)
        k4[:size] = (
            k4[:size]
            + (h * STIFF_D4) * ft[:size]
            + (g * STIFF_C41) * k1[:size]
            + (g * STIFF_C42) * k2[:size]
            + (g * STIFF_C43) * k3[:size]
        )
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k4)
        u[:size] = (
            z[:size] + STIFF_A51 * k1[:size] + STIFF_A52 * k2[:size] + STIFF_A53 * k3[:size] + STIFF_A54 * k4[:size]
        )
        rates(t + STIFF_T5 * h, u, p, k5)
        k5[:size] = (
            k5[:size]
            + (h * STIFF_D5) * ft[:size]
            + (g * STIFF_C51) * k1[:size]
            + (g * STIFF_C52) * k2[:size]
            + (g * STIFF_C53) * k3[:size]
            + (g * STIFF_C54) * k4[:size]
        )
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k5)
        u[:size] = (
            z[:size]
            + STIFF_A61 * k1[:size]
            + STIFF_A62 * k2[:size]
            + STIFF_A63 * k3[:size]
            + STIFF_A64 * k4[:size]
            + STIFF_A65 * k5[:size]
        )
        after = t + h
        if is_last:
            after = end
        rates(after, u, p, k6)
        k6[:size] = (
            k6[:size]
            + (g * STIFF_C61) * k1[:size]
            + (g * STIFF_C62) * k2[:size]
            + (g * STIFF_C63) * k3[:size]
            + (g * STIFF_C64) * k4[:size]
            + (g * STIFF_C65) * k5[:size]
        )
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k6)
        u[:size] = u[:size] + k6[:size]
        rates(after, u, p, k7)
        k7[:size] = (
            k7[:size]
            + (g * STIFF_C71) * k1[:size]
            + (g * STIFF_C72) * k2[:size]
            + (g * STIFF_C73) * k3[:size]
            + (g * STIFF_C74) * k4[:size]
            + (g * STIFF_C75) * k5[:size]
            + (g * STIFF_C76) * k6[:size]
        )
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k7)
        u[:size] = u[:size] + k7[:size]
        rates(after, u, p, k8)
        k8[:size] = (
            k8[:size]
            + (g * STIFF_C81) * k1[:size]
            + (g * STIFF_C82) * k2[:size]
            + (g * STIFF_C83) * k3[:size]
            + (g * STIFF_C84) * k4[:size]
            + (g * STIFF_C85) * k5[:size]
            + (g * STIFF_C86) * k6[:size]
            + (g * STIFF_C87) * k7[:size]
        )
        stage(states, width, size, slopes, pattern, curve, p, t, z, v, w, pivots, e, k8)
        u[:size] = u[:size] + k8[:size]
        e[:size] = (k8[:size] / (atol[:size] + rtol[:size] * np.maximum(np.abs(z[:size]), np.abs(u[:size])))) ** 2
        error = sqrt(largest(states, width, e, total))
        if not error <= 1.0:
            if isfinite(error):
                h = h * max(STIFF_SLOWEST, STIFF_SAFETY * error**STIFF_EXPONENT)
            else:
                h = 0.1 * h
            grew = 1.0
            continue
        while done < count and times[done] <= after:
            between(size, (times[done] - t) / h, z, u, k1, k2, k3, k4, k5, k6, k7, k8, total, e)
            put(states, width, slopes, e, y[done * states :], dy[done * states * slopes :])
            done += 1
        if sizes[7] > 0 and not remember(states, sizes[7], t, h, z, u, record):
            return NO_ROOM
        t = after
        reached[0] = t
        z[:size] = u[:size]
        loosen(states, width, slopes, tolerances, columns, scales, p, z, work)
        is_new = True
        h = h * min(grew, max(STIFF_SLOWEST, STIFF_SAFETY * max(error, 1e-10) ** STIFF_EXPONENT))
        grew = STIFF_FASTEST
    return DONE


def stage(
    states: int,
    width: int,
    size: int,
    slopes: int,
    pattern: IntArray,
    curve: Curve,
    p: FloatArray,
    t: float,
    z: FloatArray,
    v: FloatArray,
    w: FloatArray,
    pivots: FloatArray,
    e: FloatArray,
    k: FloatArray,
) -> None:
    """Solve W U = k, the states' column first; U is in the place of k."""
    if slopes > 0:
        for i in range(states):
            v[i] = k[i * width]
        substitute(states, 1, pattern, w, pivots, v)
        curve(t, z, v, p, e)
        for i in range(states):
            e[i * width] = 0.0
        k[:size] = k[:size] + e[:size]
    substitute(states, width, pattern, w, pivots, k)


def between(
    size: int,
    x: float,
    z: FloatArray,
    u: FloatArray,
    k1: FloatArray,
    k2: FloatArray,
    k3: FloatArray,
    k4: FloatArray,
    k5: FloatArray,
    k6: FloatArray,
    k7: FloatArray,
    k8: FloatArray,
    b: FloatArray,
    out: FloatArray,
) -> None:
    """The solution at t + x h, 0 <= x <= 1, of order 4. b: [8] room."""
    stiff_shares(x, b)
    out[:size] = (
        (1.0 - x) * z[:size]
        + x * u[:size]
        + b[0] * k1[:size]
        + b[1] * k2[:size]
        + b[2] * k3[:size]
        + b[3] * k4[:size]
        + b[4] * k5[:size]
        + b[5] * k6[:size]
        + b[6] * k7[:size]
        + b[7] * k8[:size]
    )


def stiff_shares(x: float, b: FloatArray) -> None:
    """What each stage has in the solution at t + x h, [8]."""
    c = x * (1.0 - x)
    b[0] = c * (25.948786856663858 + x * (-9.91568850695171 + x * 11.419903575922262))
    b[1] = c * (-2.5579724845846235 + x * (-0.9689944594115154 + x * 2.8879645146136994))
    b[2] = c * (10.433815404888879 + x * (3.0438037242978453 + x * 72.92137995996029))
    b[3] = c * (-2.3679251022685204 + x * (-24.495224566215796 + x * 80.12511834622643))
    b[4] = c * (0.524948541321073 + x * (20.176138334709044 + x * -52.072871366152654))
    b[5] = c * (1.1241088310450404 + x * (15.98066361424651 + x * -59.78993625266729))
    b[6] = c * (0.4272876194431874 + x * (-6.789040303419874 + x * -0.15582684282751913))
    b[7] = c * (-0.17202221070155493 + x * (-6.710236069923372 + x * 4.883087185713722))
