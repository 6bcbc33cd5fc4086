"""What comes on the way of a member: changes of states, at known times or when a condition becomes true.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

It does what is usual, as `segments.triggered_way` says it; a member to which anything else happens (conditions that
change sides together, at the time of a row or of what was to come, or without passing) ends as TANGLED, and whoever
calls solves it there. With rates f- and f+ before and after a time tau and what is put there, h, sensitivities S go on
as

    S+ = h_y (S- + f- dtau) + h_t dtau + h_q - f+ dtau,      dtau = -(g_y S- + g_q)/(g_t + g_y f-)  at a gap g = 0.

Derivatives of gaps and of h are along directions v of states, time and parameters. `room` begins with a direction
[S + 1 + K]; where in it there are dtau [K], which conditions were true [R], gaps before [G], gaps and changes [G + H],
what these are along a direction [G + H], and `watched` (watching.py), `extents` says.
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.stepping import DONE, TANGLED, Curve, Rates
from odefit.engines.kernel.watching import HEAD

# What `extents` holds: how many kept parameters, feeds, numbers of context, gaps, rules, changes, moving times and
# known sensitive parameters there are, and where in `work` there is room behind the stepper's;
KEPT, FEEDS, CONTEXT, GAPS, RULES, CHANGES, MOVING, KNOWN, BEHIND = 0, 1, 2, 3, 4, 5, 6, 7, 8
# then where in `room` things begin; COURSE is that of the direction along which watching.py asks for slopes.
DTAU, HELD, BEFORE, AFTER, DRIFT, WATCHED, COURSE = 9, 10, 11, 12, 13, 14, 15
# Integers of a rule.
RULE = 6
# Rules that come at one time: more are looked at elsewhere.
MOST_AT_ONCE = 10
# What `follow` says where not one condition has become true.
NOTHING, SEVERAL = -1, -2
# What gaps are looked at for, in the place of the gap that is passed.
JUMPS, BEGINS = -1, -2
# What is left of a gap by a jump, where it counts as put to 0.
LEFT = 1e-10


def at_state(
    states: int,
    width: int,
    t: float,
    now: FloatArray,
    p: FloatArray,
    function: Rates,
    watched: FloatArray,
    out: FloatArray,
) -> None:
    """Gaps or changes at z, which leaves the states alone in their place."""
    y = watched[HEAD + 5 * int(watched[0]) :]
    for i in range(states):
        y[i] = now[i * width]
    function(t, y, p, out)


def shift(states: int, width: int, slopes: int, sign: float, f: FloatArray, dtau: FloatArray, now: FloatArray) -> None:
    """Sensitivities at a time that moves, or back from there."""
    for i in range(states):
        for j in range(slopes):
            now[i * width + 1 + j] += sign * f[i * width] * dtau[j]


def put_in(
    sizes: IntArray,
    extents: IntArray,
    number: int,
    t: float,
    changes: Rates,
    change_slopes: Curve,
    rules: IntArray,
    parts: IntArray,
    own: FloatArray,
    room: FloatArray,
    now: FloatArray,
) -> None:
    """What a rule puts into states; sensitivities are those at the time that moves."""
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    count = extents[GAPS]
    v = room[:]
    dtau = room[extents[DTAU] :]
    values = room[extents[AFTER] + count :]
    drifts = room[extents[DRIFT] + count :]
    watched = room[extents[WATCHED] :]
    y = watched[HEAD + 5 * count :]
    rule = rules[number * RULE :]
    targets = parts[count:]
    at_state(states, width, t, now, own, changes, watched, values)
    for j in range(slopes):
        for i in range(states):
            v[i] = now[i * width + 1 + j]
        v[states] = dtau[j]
        v[states + 1 + j] = 1.0
        change_slopes(t, y, v, own, drifts)
        v[states + 1 + j] = 0.0
        for c in range(rule[3], rule[3] + rule[4]):
            now[targets[c] * width + 1 + j] = drifts[c]
    for c in range(rule[3], rule[3] + rule[4]):
        now[targets[c] * width] = values[c]


def look(
    sizes: IntArray,
    extents: IntArray,
    t: float,
    rates: Rates,
    gaps: Rates,
    gap_slopes: Curve,
    own: FloatArray,
    room: FloatArray,
    f: FloatArray,
    now: FloatArray,
) -> None:
    """All gaps, their slopes in time, and the rates, at z."""
    states = sizes[1]
    width = sizes[2]
    count = extents[GAPS]
    v = room[:]
    after = room[extents[AFTER] :]
    drift = room[extents[DRIFT] :]
    watched = room[extents[WATCHED] :]
    y = watched[HEAD + 5 * count :]
    rates(t, now, own, f)
    at_state(states, width, t, now, own, gaps, watched, after)
    for i in range(states):
        v[i] = f[i * width]
    v[states] = 1.0
    gap_slopes(t, y, v, own, drift)


def is_close(count: int, passed_gap: int, slack: float, after: FloatArray, drift: FloatArray) -> bool:
    """Whether a gap but the one that is passed is 0 within the slack of now, or no number."""
    close = False
    for i in range(count):
        rests = after[i] == 0.0 and drift[i] == 0.0
        if i != passed_gap and not rests and not abs(after[i]) > slack * abs(drift[i]):
            close = True
    return close


def settle(
    sizes: IntArray,
    extents: IntArray,
    kind: int,
    t: float,
    slack: float,
    rates: Rates,
    gaps: Rates,
    gap_slopes: Curve,
    changes: Rates,
    change_slopes: Curve,
    rules: IntArray,
    parts: IntArray,
    own: FloatArray,
    room: FloatArray,
    f: FloatArray,
    now: FloatArray,
) -> int:
    """On which sides gaps are after a jump, and what comes because of that, at the same time, one after the other.

    kind: the gap that is passed, which is 0 unless the jump has moved it; JUMPS or BEGINS where there is none.
    """
    count = extents[GAPS]
    before = room[extents[BEFORE] :]
    after = room[extents[AFTER] :]
    drift = room[extents[DRIFT] :]
    watched = room[extents[WATCHED] :]
    side = watched[HEAD:]
    for _turn in range(MOST_AT_ONCE):
        look(sizes, extents, t, rates, gaps, gap_slopes, own, room, f, now)
        for i in range(count):
            if kind != BEGINS and after[i] == before[i]:
                if i == kind:
                    if drift[i] == 0.0:
                        return TANGLED
                    side[i] = 1.0
                    if drift[i] < 0.0:
                        side[i] = -1.0
                continue
            if i == kind and drift[i] < 0.0 and abs(after[i]) <= slack * abs(drift[i]):
                side[i] = -1.0  # put to where it was, it goes away from there
                continue
            rests = after[i] == 0.0 and drift[i] == 0.0
            if not rests and not abs(after[i]) > slack * abs(drift[i]):
                return TANGLED
            if kind != BEGINS and i != kind and abs(after[i]) <= LEFT * abs(before[i]):
                return TANGLED
            side[i] = -1.0
            if after[i] > 0.0 or (rests and parts[i] == 0):
                side[i] = 1.0
        due = follow(extents, rules, parts, room)
        if due == NOTHING:
            return DONE
        if due == SEVERAL or kind >= 0:
            return TANGLED
        before[:count] = after[:count]
        come(sizes, extents, due, t, rates, changes, change_slopes, rules, parts, own, room, f, now)
        kind = JUMPS
    return TANGLED


def follow(extents: IntArray, rules: IntArray, parts: IntArray, room: FloatArray) -> int:
    """Which rule's condition has become true; NOTHING or SEVERAL."""
    held = room[extents[HELD] :]
    watched = room[extents[WATCHED] :]
    side = watched[HEAD:]
    due = NOTHING
    for r in range(extents[RULES]):
        rule = rules[r * RULE :]
        index = 0
        bit = 1
        for k in range(rule[1]):
            if side[parts[rule[0] + k]] > 0.0:
                index += bit
            bit += bit
        holds = float(parts[rule[2] + index])
        if holds > held[r]:
            if due == NOTHING:
                due = r
            else:
                due = SEVERAL
        held[r] = holds
    return due


def come(
    sizes: IntArray,
    extents: IntArray,
    number: int,
    t: float,
    rates: Rates,
    changes: Rates,
    change_slopes: Curve,
    rules: IntArray,
    parts: IntArray,
    own: FloatArray,
    room: FloatArray,
    f: FloatArray,
    now: FloatArray,
) -> None:
    """What a rule does."""
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    dtau = room[extents[DTAU] :]
    rates(t, now, own, f)
    shift(states, width, slopes, 1.0, f, dtau, now)
    put_in(sizes, extents, number, t, changes, change_slopes, rules, parts, own, room, now)
    rates(t, now, own, f)
    shift(states, width, slopes, -1.0, f, dtau, now)


def passed(
    sizes: IntArray,
    extents: IntArray,
    t: float,
    slack: float,
    rates: Rates,
    gaps: Rates,
    gap_slopes: Curve,
    changes: Rates,
    change_slopes: Curve,
    rules: IntArray,
    parts: IntArray,
    own: FloatArray,
    room: FloatArray,
    f: FloatArray,
    now: FloatArray,
) -> int:
    """A gap changes sides at z, on its way: what comes of that."""
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    count = extents[GAPS]
    v = room[:]
    dtau = room[extents[DTAU] :]
    before = room[extents[BEFORE] :]
    after = room[extents[AFTER] :]
    drift = room[extents[DRIFT] :]
    watched = room[extents[WATCHED] :]
    side = watched[HEAD:]
    y = watched[HEAD + 5 * count :]
    i = int(watched[1])
    look(sizes, extents, t, rates, gaps, gap_slopes, own, room, f, now)
    if not side[i] * drift[i] < 0.0 or is_close(count, i, slack, after, drift):
        return TANGLED
    slope = drift[i]
    before[:count] = after[:count]
    side[i] = -1.0 * side[i]
    due = follow(extents, rules, parts, room)
    if due == NOTHING:
        return DONE
    if due == SEVERAL:
        return TANGLED
    v[states] = 0.0
    for j in range(slopes):
        for k in range(states):
            v[k] = now[k * width + 1 + j]
        v[states + 1 + j] = 1.0
        gap_slopes(t, y, v, own, drift)
        v[states + 1 + j] = 0.0
        dtau[j] = -drift[i] / slope
    come(sizes, extents, due, t, rates, changes, change_slopes, rules, parts, own, room, f, now)
    return settle(
        *(sizes, extents, i, t, slack, rates, gaps, gap_slopes, changes, change_slopes, rules, parts),
        *(own, room, f, now),
    )
