"""Strictly convex least squares in boxes and radii: the minima of many small problems, one after the other.

compilation/lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands. It does what
optimizers/local_model.py does with arrays over all points, which is the long way where each point has few columns: a
hundred calls of NumPy for what takes a microsecond a point.

    m(p) + damping |p|²/2,   m(p) = |F p + c|²/2 - |c|²/2,   low <= p <= high,

with H = F'F and g = F'c, by Cholesky decompositions of H + damping over the components that are not on a bound.
"""

from __future__ import annotations

from math import sqrt

from odefit.arrays import FloatArray, IntArray

ROUNDING = 2.220446049250313e-16
"""EPS of matrix.py."""

STRICT = 1e-8
"""The least over the largest curvature, damping included, above which the normal equations lose nothing."""

PATIENCE = 3
"""Rounds of pivoting all that is wrong at once, without there being less of it, before it is done one at a time."""

MAX_SECANTS = 30
"""The most dampings that are tried to meet a radius."""


def minima(
    points: int,
    sizes: IntArray,
    rows: FloatArray,
    targets: FloatArray,
    least: FloatArray,
    most: FloatArray,
    low: FloatArray,
    high: FloatArray,
    radius: FloatArray,
    damping: FloatArray,
    p: FloatArray,
    done: IntArray,
    places: IntArray,
    work: FloatArray,
) -> None:
    """The minima of all points, within a tenth of their radii, at their dampings or at as much more as that takes.

    sizes: how many columns P, how many rows k. rows, targets: [B, k, P] F, [B, k] c.
    least, most: [B] what the curvatures of m are at least, and at most.
    low, high: [B, P]. radius: [B]. damping: [B] the least ones; those that are taken come back.
    p, done: [B, P], [B] what comes back: the minima, and whether they are found: 0 where a model is
        not strictly convex.
    places: [P]. work: [P (2 P + 3)] room.
    """
    n = sizes[0]
    k = sizes[1]
    for b in range(points):
        curvature(n, k, rows[b * k * n :], targets[b * k :], work)
        done[b] = 0
        if within_radius(
            n, least[b], most[b], low[b * n :], high[b * n :], radius[b], damping[b:], p[b * n :], places, work
        ):
            done[b] = 1


def curvature(n: int, k: int, rows: FloatArray, target: FloatArray, work: FloatArray) -> None:
    """g and, behind it, H."""
    h = work[n:]
    work[: n + n * n] = 0.0
    for i in range(k):
        row = rows[i * n :]
        work[:n] = work[:n] + target[i] * row[:n]
        for j in range(n):
            if row[j] != 0.0:
                h[j * n : (j + 1) * n] = h[j * n : (j + 1) * n] + row[j] * row[:n]


def within_radius(
    n: int,
    least: float,
    most: float,
    low: FloatArray,
    high: FloatArray,
    radius: float,
    damping: FloatArray,
    p: FloatArray,
    places: IntArray,
    work: FloatArray,
) -> bool:
    """One minimum in its radius: |p| falls as the damping rises, and 1/|p| is nearly linear in it."""
    now = damping[0]
    if not minimum(n, now, least, most, low, high, p, places, work):
        return False
    size = length(n, p)
    if not size > 1.1 * radius:
        return True
    below = now
    above = now + length(n, work) / radius
    before = now
    now = below + 1e-3 * (above - below)
    for _ in range(MAX_SECANTS):
        size_before = size
        if not minimum(n, now, least, most, low, high, p, places, work):
            return False
        damping[0] = now
        size = length(n, p)
        if 0.9 * radius <= size and size <= 1.1 * radius:
            return True
        if size > radius:
            below = now
        else:
            above = now
        guess = now + (1.0 / radius - 1.0 / size) * (now - before) / (1.0 / size - 1.0 / size_before)
        before = now
        now = max(sqrt(below * above), 1e-3 * above)
        if below < guess and guess < above:
            now = guess
    return True


def minimum(
    n: int,
    damping: float,
    least: float,
    most: float,
    low: FloatArray,
    high: FloatArray,
    p: FloatArray,
    places: IntArray,
    work: FloatArray,
) -> bool:
    """One minimum in its box, by pivoting between components on a bound and free ones until all signs are right.

    All wrong ones change sides at once as long as that makes them fewer, then one at a time (Júdice and Pires 1994).
    """
    if not least + damping > STRICT * (most + damping):
        return False
    h = work[n:]
    side = work[n + n * n :]
    change = work[2 * n + n * n :]
    side[:n] = 0.0
    fewest = n + 1
    patience = PATIENCE
    for _ in range(10 * n + 10):
        if not solved(n, damping, low, high, side, p, places, work):
            return False
        wrong = 0
        last = 0
        for i in range(n):
            change[i] = 0.0
            if side[i] == 0.0:
                change[i] = beyond(p[i], low[i], high[i])
            else:
                slope = work[i] + damping * p[i]
                size = abs(work[i]) + abs(damping * p[i])
                for j in range(n):
                    slope += h[i * n + j] * p[j]
                    size += abs(h[i * n + j] * p[j])
                if side[i] * slope > n * ROUNDING * size:
                    change[i] = -side[i]
            if change[i] != 0.0:
                wrong += 1
                last = i
        if wrong == 0:
            return True
        patience -= 1
        if wrong < fewest:
            patience = PATIENCE
            fewest = wrong
        for i in range(n):
            if patience > 0 or i == last:
                side[i] += change[i]
    return False


def solved(
    n: int,
    damping: float,
    low: FloatArray,
    high: FloatArray,
    side: FloatArray,
    p: FloatArray,
    places: IntArray,
    work: FloatArray,
) -> bool:
    """The minimum over the free components, row by row of the Cholesky decomposition, the others on their bounds."""
    h = work[n:]
    room = work[3 * n + n * n :]
    free = 0
    for i in range(n):
        if side[i] == 0.0:
            places[free] = i
            free += 1
        elif side[i] < 0.0:
            p[i] = low[i]
        else:
            p[i] = high[i]
    for a in range(free):
        i = places[a]
        row = room[a * free :]
        total = -work[i]
        if free < n:
            for j in range(n):
                if side[j] != 0.0:
                    total -= h[i * n + j] * p[j]
        for b in range(a):
            other = room[b * free :]
            entry = h[i * n + places[b]]
            for c in range(b):
                entry -= row[c] * other[c]
            row[b] = entry * other[b]
        pivot = h[i * n + i] + damping
        for b in range(a):
            pivot -= row[b] * row[b]
            total -= row[b] * p[places[b]]
        if not pivot > 0.0:
            return False
        row[a] = 1.0 / sqrt(pivot)
        p[i] = total * row[a]
    for m in range(free):
        a = free - 1 - m
        total = p[places[a]]
        for b in range(a + 1, free):
            total -= room[b * free + a] * p[places[b]]
        p[places[a]] = total * room[a * free + a]
    return True


def beyond(p: float, low: float, high: float) -> float:
    """On which side of its box a number is."""
    if p > high:
        return 1.0
    if p < low:
        return -1.0
    return 0.0


def length(n: int, p: FloatArray) -> float:
    """|p|."""
    total = 0.0
    for i in range(n):
        total += p[i] * p[i]
    return sqrt(total)
