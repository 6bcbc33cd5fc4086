"""Members on their ways through segments: doses, inputs, events at known times and by conditions, all in one call.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

What happens between segments is that of `segments.saltation`: doses and feeds here, changes of states in coming.py.
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.coming import (
    AFTER,
    BEFORE,
    BEGINS,
    BEHIND,
    CONTEXT,
    COURSE,
    DRIFT,
    DTAU,
    FEEDS,
    GAPS,
    HELD,
    JUMPS,
    KEPT,
    KNOWN,
    MOVING,
    RULE,
    RULES,
    WATCHED,
    at_state,
    is_close,
    look,
    passed,
    put_in,
    settle,
    shift,
)
from odefit.engines.kernel.rosenbrock import integrate_stiff
from odefit.engines.kernel.stepping import (
    COMES,
    DONE,
    NOT_FINITE,
    TANGLED,
    Curve,
    Initial,
    Rates,
    all_finite,
    padded,
    put,
    weigh,
)
from odefit.engines.kernel.tsitouras import integrate

# Numbers of a segment before its context, and integers of a segment.
NUMBERS, PLACES = 3, 5
# Events of one way, and those within a tenth of a thousandth of it: more are looked at elsewhere.
MOST_COMING = 10_000
MOST_RUSHING = 40
RUSHED_SHARE = 1e5
# Share of the slack within which a root is found, and of the time, which has no more digits.
ROOT_SHARE, DIGITS = 1e-4, 1e-15


def solve_ways(
    members: int,
    sizes: IntArray,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    initial: Initial,
    rates: Rates,
    matrix: Rates,
    curve: Curve,
    extents: IntArray,
    rules: IntArray,
    parts: IntArray,
    gaps: Rates,
    gap_slopes: Curve,
    changes: Rates,
    change_slopes: Curve,
    p: FloatArray,
    begin: FloatArray,
    given: FloatArray,
    moved: FloatArray,
    way: IntArray,
    first: IntArray,
    places: IntArray,
    numbers: FloatArray,
    times: FloatArray,
    row: IntArray,
    work: FloatArray,
    y: FloatArray,
    dy: FloatArray,
    status: IntArray,
    reached: FloatArray,
    steps: IntArray,
) -> None:
    """Solve every member, one after the other; see `solve_members` for what has the same name there.

    extents: how many there are of what, and where it stands; see coming.py.
    rules: for each rule, then for each event at a known time: where its gaps begin in `parts`, how many these are,
    where its truths begin, its changes, how many, and whether it may come at the start. parts: of each gap whether it
    is strict, of each change its state, then the lists of gaps and the truths.
    p: [M, kept]; begin: [M] z at the start; given: [M, 1 + K] the fraction of doses that arrives; moved: [M, D, K] the
    derivatives of the times that move.
    way: [M], of which the segments are first[way] to first[way + 1]. places: [N, 5] the first of its times, how many,
    its first row, which moving time it begins at or -1, which changes or -1. numbers: [N] start, end, the time within
    which things come together, context, feeds, doses.
    """
    size = padded(sizes[1] * sizes[2])
    for m in range(members):
        status[m] = pass_way(
            sizes,
            size,
            tolerances,
            columns,
            scales,
            initial,
            rates,
            matrix,
            curve,
            extents,
            rules,
            parts,
            gaps,
            gap_slopes,
            changes,
            change_slopes,
            p[m * extents[KEPT] :],
            begin[m * size :],
            given[m * (1 + sizes[3]) :],
            moved[m * extents[MOVING] * sizes[3] :],
            first[way[m]],
            first[way[m] + 1],
            places,
            numbers,
            times,
            row[m],
            work,
            y,
            dy,
            reached[m:],
            steps[m:],
        )


def pass_way(
    sizes: IntArray,
    size: int,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    initial: Initial,
    rates: Rates,
    matrix: Rates,
    curve: Curve,
    extents: IntArray,
    rules: IntArray,
    parts: IntArray,
    gaps: Rates,
    gap_slopes: Curve,
    changes: Rates,
    change_slopes: Curve,
    p: FloatArray,
    begin: FloatArray,
    given: FloatArray,
    moved: FloatArray,
    first: int,
    last: int,
    places: IntArray,
    numbers: FloatArray,
    times: FloatArray,
    row: int,
    work: FloatArray,
    y: FloatArray,
    dy: FloatArray,
    reached: FloatArray,
    steps: IntArray,
) -> int:
    """One member; how it ended."""
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    kept = extents[KEPT]
    feeds = extents[FEEDS]
    context = extents[CONTEXT]
    count = extents[GAPS]
    start = kept + feeds + context
    stride = NUMBERS + context + feeds + states
    now = work[extents[BEHIND] :]
    f = now[size:]
    own = f[size:]
    room = own[start + states + states * width :]
    dtau = room[extents[DTAU] :]
    held = room[extents[HELD] :]
    before = room[extents[BEFORE] :]
    watched = room[extents[WATCHED] :]
    course = room[extents[COURSE] :]
    for i in range(states + 1 + extents[KNOWN]):
        room[i] = 0.0
        course[i] = 0.0
    now[:size] = begin[:size]
    for r in range(extents[RULES]):
        held[r] = 1.0 - float(rules[r * RULE + 5])
    watched[0] = float(count)
    total = 0
    coming = 0
    rushing = 0
    since = numbers[first * stride]
    for s in range(first, last):
        of = numbers[s * stride :]
        at = places[s * PLACES :]
        t = of[0]
        end = of[1]
        slack = of[2]
        watched[2] = max(ROOT_SHARE * slack, DIGITS * abs(end))
        steps[0] = total
        for j in range(slopes):
            dtau[j] = 0.0
        if s > first:
            since += t - numbers[(s - 1) * stride + 1]  # times may begin anew with every segment
            if count > 0:
                at_state(states, width, t, now, own, gaps, watched, before)
            if at[3] >= 0 and slopes > 0:
                for j in range(slopes):
                    dtau[j] = moved[at[3] * slopes + j]
                rates(t, now, own, f)
                shift(states, width, slopes, 1.0, f, dtau, now)
        for i in range(kept):
            own[i] = p[i]
        for i in range(context):
            own[kept + feeds + i] = of[NUMBERS + i]
        for i in range(feeds):
            own[kept + i] = given[0] * of[NUMBERS + context + i]
        dose = of[NUMBERS + context + feeds :]
        for i in range(states):
            if dose[i] != 0.0:
                now[i * width] += given[0] * dose[i]
                for j in range(slopes):
                    now[i * width + 1 + j] += dose[i] * given[1 + j]
        if at[4] >= 0:
            put_in(*(sizes, extents, at[4], t, changes, change_slopes, rules, parts, own, room, now))
        if at[3] >= 0 and slopes > 0:
            rates(t, now, own, f)
            shift(states, width, slopes, -1.0, f, dtau, now)
        if not all_finite(size, now):
            return NOT_FINITE
        if count > 0:
            kind = JUMPS
            if s == first:
                kind = BEGINS
            ended = settle(
                *(sizes, extents, kind, t, slack, rates, gaps, gap_slopes, changes, change_slopes, rules, parts),
                *(own, room, f, now),
            )
            if ended != DONE:
                return ended
        if not end > t:
            for k in range(at[1]):
                out = row + at[2] + k
                put(states, width, slopes, now, y[out * states :], dy[out * states * slopes :])
            continue
        done = 0
        while t < end:
            for i in range(states):
                own[start + i] = now[i * width]
            behind = own[start + states :]
            if slopes > 0:
                behind[: states * width] = now[: states * width]
            weigh(states, width, slopes, size, tolerances, columns, scales, own, work)
            out = row + at[2] + done
            when = times[at[0] + done :]
            if sizes[6] == 0:
                ended = integrate(
                    *(sizes, size, tolerances, columns, scales, initial, rates, count, gaps, gap_slopes, watched, own),
                    *(t, end, at[1] - done, when, work, y[out * states :], dy[out * states * slopes :], reached, steps),
                )
            else:
                ended = integrate_stiff(
                    *(sizes, size, tolerances, columns, scales, initial, rates, matrix, curve, own),
                    *(t, end, at[1] - done, when, work, y[out * states :], dy[out * states * slopes :], reached, steps),
                )
            total += steps[0]
            steps[0] = total
            z = work[2 * size :]
            now[:size] = z[:size]
            t = reached[0]
            if ended == DONE:
                break
            if ended != COMES:
                return ended
            while done < at[1] and times[at[0] + done] <= t:
                done += 1
            if done > 0 and times[at[0] + done - 1] >= t - slack:
                return TANGLED
            if done < at[1] and times[at[0] + done] <= t + slack:
                return TANGLED
            if t - of[0] <= slack or end - t <= slack:
                return TANGLED
            coming += 1
            rushing += 1
            if t - since > slack * RUSHED_SHARE:
                since = t
                rushing = 0
            if coming > MOST_COMING or rushing > MOST_RUSHING:
                return TANGLED
            ended = passed(
                *(sizes, extents, t, slack, rates, gaps, gap_slopes, changes, change_slopes, rules, parts),
                *(own, room, f, now),
            )
            if ended != DONE:
                return ended
            if not all_finite(size, now):
                return NOT_FINITE
        if count > 0:
            look(sizes, extents, end, rates, gaps, gap_slopes, own, room, f, now)
            if is_close(count, -1, slack, room[extents[AFTER] :], room[extents[DRIFT] :]):
                return TANGLED
    steps[0] = total
    return DONE
