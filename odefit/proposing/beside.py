"""Columns of a file that belong together: wells, replicates, conditions or days side by side, seen by their headers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.clock_cells import looks_like_time
from odefit.data.csv_cells import parse_number
from odefit.data.unit_words import is_unit, split_unit
from odefit.proposing.naming import identifier
from odefit.records import dataclass

ALIKE = 0.75
"""The share of the scatter that replicates have in common, at least."""
BIASED = 0.2
"""No replicate lies by more than this share of the range above or below the others."""
UNNAMED = "value"
"""An observable that no header names."""
UNITS_OF_TIME = r"s|sec|seconds?|min|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?|y|yr|years?"
_NUMBERED = re.compile(r"(.*?)(\d+(?:[.,]\d+)?)(\D*)")
_WELL = re.compile(r"([A-P])(0?[1-9]|1\d|2[0-4])")
_LAST = re.compile(r"(.+?)([ _.\-(\[]*)(\d{1,2}|[A-Za-z])[)\]]?")
_UNIT_BEHIND = re.compile(r"(.*[^\W\d_]\d{1,2})[ _]([^\W\d]\S*)")
_WORDS = re.compile(r"([^ _.\-/]+)([ _.\-/])([^ _.\-/]+)")
_MATTER = re.compile(r"([pnuµμm]?M|([npuµμmk]?g|[uµμm]?mol)(/[mkdu]?[lLg])?|ppm|ppb|%|[uµμm]?[lL])\b")
_CONTROLS = re.compile(r"ph|t|temp|temperature|dose|conc|c|light|s", re.IGNORECASE)
_CULTURES = re.compile(
    r"experiment|exp|subj(ect)?|patient|animal|individual|sample|series|run|batch|plate|well|strain|group|culture"
    r"|vessel|reactor|tank|flask|tube|mouse|rat|site|plot|pond|cell|day",
    re.IGNORECASE,
)
_TREATED = re.compile(
    r"wt|wild ?type|mut(ant)?|ko|kd|control|ctrl|treated|untreated|treatment|drug|placebo|vehicle|low|high|dark|light"
    r"|with|without|plus|minus|aerobic|anaerobic|infected|uninfected|sham|stressed|starved|fed",
    re.IGNORECASE,
)
_AGAIN = re.compile(
    r"(.+?)([ _.\-(,]+(?:r|rep|repl|repeat|replicate|no)?[ _.\-#]*)(\d{1,2}|[A-Za-z])(\)?)", re.IGNORECASE
)
_REPEATS = re.compile(r"r|rep|repl|repeat|replicate|trial|tech|bio", re.IGNORECASE)
_SIGNS = frozenset("*?[]{}")


@dataclass(frozen=True)
class Beside:
    """How columns belong together.

    Parameters
    ----------
    columns
        Observable -> a pattern or a list of columns, as `data.columns` has it.
    taken
        The columns that these are.
    what
        What they are, in words.
    experiment
        The column that names the place of each row, where a column is a time.
    constants
        What the headers say of each experiment.
    by
        What tells apart experiments that differ: a constant, where each of its values has replicates.
    said
        The values of the one constant, for each experiment.
    """

    columns: Mapping[str, str | Sequence[str]]
    taken: Sequence[str]
    what: str
    experiment: str | None = None
    constants: Sequence[str] = ()
    by: str = "experiment"
    said: Sequence[float] = ()

    @property
    def are_times(self) -> bool:
        """Whether the columns are times."""
        return any("{time}" in text for text in self.columns.values() if isinstance(text, str))


def times_in_headers(names: Sequence[str]) -> Beside | None:
    """A column for each time: `0, 1, 2.5`, `day 1, day 2`, `0 h, 24 h`, `1/22/20, 1/23/20`."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        parts = _NUMBERED.fullmatch(name)
        if looks_like_time(name) and not re.fullmatch(r"\d+(?:[.,]\d+)?\s*[A-Za-z]+", name):
            found.setdefault(("", ""), []).append(name)
        elif parts and not _SIGNS & set(name):
            found.setdefault((parts[1], parts[3]), []).append(name)
    for (head, tail), own in found.items():
        word, unit = head.strip(" _.-="), tail.strip(" _.-")
        is_time = not word or re.fullmatch(rf"t|time|{UNITS_OF_TIME}", word, re.I) is not None
        has_unit = not unit or re.fullmatch(UNITS_OF_TIME, unit, re.I) is not None
        if is_time and has_unit and len(own) > 2 and _rise(own, len(head), len(tail)):
            return Beside({UNNAMED: f"{head}{{time}}{tail}"}, own, "a column for each time")
    return None


def _rise(names: Sequence[str], head: int, tail: int) -> bool:
    if all(map(looks_like_time, names)):
        return True
    numbers = [parse_number(name[head : len(name) - tail].replace(",", ".")) for name in names]
    return all(a is not None and b is not None and a < b for a, b in itertools.pairwise(numbers))


def side_by_side(numbers: Mapping[str, FloatArray]) -> Beside | None:
    """Columns of a table with a row for each time that are one quantity, or a few, several times.

    Parameters
    ----------
    numbers
        Column -> its numbers [R]; neither times nor errors.
    """
    names = [name for name in numbers if not _SIGNS & set(name)]
    return (
        _wells(names)
        or _conditions(names)
        or _conditions_again(names)
        or _repeats(list(numbers), numbers)
        or _products(names, numbers)
        or _treated(names)
    )


def _wells(names: Sequence[str]) -> Beside | None:
    """A1, A2, … H12."""
    wells = [name for name in names if _WELL.fullmatch(name)]
    rows, columns = {name[0] for name in wells}, {int(name[1:]) for name in wells}
    # A block of a plate, or many of its wells: metabolites may be called A1, B1 and A2 as well.
    is_block = len(wells) == len(rows) * len(columns) and len(wells) >= (4 if len(rows) > 1 else 6)
    if not is_block and len(wells) < 8:
        return None
    return Beside({UNNAMED: f"[A-{'H' if max(rows) <= 'H' else 'P'}]*"}, wells, "a column for each well of a plate")


def _conditions(names: Sequence[str]) -> Beside | None:
    """`0 uM, 500 uM`, `S=1, S=2`, `pH5, pH7`, `N 0 uM, P 0 uM, …`: the header is a number that means something."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in names:
        parts = re.fullmatch(r"(.*?)([-+]?\d+(?:[.,]\d+)?)(\D*)", name)
        if parts is not None:
            found.setdefault((parts[1], parts[3]), []).append((name, parts[2]))
    groups = {}
    for (head, tail), own in found.items():
        word, unit = head.strip(" _.-="), tail.strip(" _.-()[]")
        counts = [parse_number(number) for _, number in own]
        means = bool(unit) or head.rstrip().endswith("=") or bool(_CONTROLS.fullmatch(word))
        # Indices, unless a unit says that they are none.
        is_index = not unit and not head.rstrip().endswith("=") and sorted(filter(None, counts)) == list(_up_to(own))
        is_index |= _counts_names(head, [name for name, _ in own], counts)
        if len(own) > 1 and means and not is_index and len(set(counts)) == len(own):
            groups[head, tail] = own
    if not groups or len({tuple(number for _, number in own) for own in groups.values()}) > 1:
        return None
    taken = [name for own in groups.values() for name, _ in own]
    (head, tail), *more = groups
    word = head.strip(" _.-=")
    name = _constant("" if more else word, tail)
    columns: dict[str, str] = {}
    for head, tail in groups:
        said = identifier(head.strip(" _.-="), columns) if more else UNNAMED
        columns[said] = f"{head}{{{name}}}{tail}"
    values = [float(number.replace(",", ".")) for _, number in next(iter(groups.values()))]
    return Beside(columns, taken, "a column for each condition", constants=(name,), said=values)


def _conditions_again(names: Sequence[str]) -> Beside | None:
    """`0 uM rep1, 0 uM rep2, 5 uM rep1, …`: conditions, some of them several times."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name in names:
        parts = _AGAIN.fullmatch(name)
        if parts is not None:
            found.setdefault((parts[2], parts[4]), {}).setdefault(parts[1], []).append(name)
    for (sign, end), conditions in found.items():
        beside = _conditions(list(conditions))
        if beside is not None and max(map(len, conditions.values())) > 1:
            columns = {observable: f"{pattern}{sign}*{end}" for observable, pattern in beside.columns.items()}
            taken = [name for condition in beside.taken for name in conditions[condition]]
            what = "a column for each condition and replicate"
            return Beside(columns, taken, what, constants=beside.constants, by=beside.constants[0])
    return None


def _counts_names(head: str, names: Sequence[str], counts: Sequence[float | None]) -> bool:
    """Whether numbers count the names before them, as in `P1 (uM), P2 (uM)`, whose unit is that of the cells."""
    known = sorted(count for count in counts if count is not None)
    word = head.strip(" _.-")
    meant = head.rstrip().endswith("=") or (bool(_CONTROLS.fullmatch(word)) and (len(word) > 1 or head != word))
    in_order = len(known) == len(names) and all(b - a == 1 for a, b in itertools.pairwise(known))
    return bool(word) and not meant and in_order and all(_unit_apart(name)[0][-1].isdecimal() for name in names)


def _unit_apart(name: str) -> tuple[str, str]:
    """`P1 (uM)` and `P1_uM` without their unit, and that; none where the number is part of it, as in `P 1 uM`."""
    bare, unit = split_unit(name)
    if unit and not unit.isdecimal():
        return bare, unit
    found = _UNIT_BEHIND.fullmatch(name)
    return (found[1], found[2]) if found is not None and is_unit(found[2]) else (name, "")


def _up_to(items: Sequence[object]) -> Sequence[float]:
    return [float(k) for k in range(1, len(items) + 1)]


def _constant(word: str, tail: str) -> str:
    """What a number in a header is called in formulas."""
    if len(word) > 1:
        return identifier(word, ())
    unit = tail.strip(" _.-()[]")
    if re.fullmatch(r"°?\s?C|degC|K|deg", unit) or word.casefold() == "t":
        return "temperature"
    return "dose" if _MATTER.match(unit) or not unit else "level"


def _repeats(names: Sequence[str], numbers: Mapping[str, FloatArray]) -> Beside | None:
    """`x_1, x_2, x_3` that look alike are replicates; `tank 1, tank 2` and `1, 2` are experiments."""
    if len(names) > 1 and all(map(str.isdecimal, names)):
        return Beside({UNNAMED: "*"}, names, "a column for each experiment")
    stems: dict[tuple[str, str, str], list[str]] = {}
    for name in names:
        bare, unit = _unit_apart(name)
        parts = _LAST.fullmatch(bare)
        if parts is not None and (parts[2] or parts[3].isdecimal()):
            stems.setdefault((parts[1], "" if parts[3].isdecimal() else "a", unit), []).append(name)
    columns: dict[str, str | Sequence[str]] = {}
    taken: list[str] = []
    for (stem, *_), own in stems.items():
        if len(own) < 2:
            continue
        word = stem.strip(" _.-")
        if _alike([numbers[name] for name in own]) and not _CULTURES.fullmatch(word):
            columns[UNNAMED if _REPEATS.fullmatch(word) else identifier(word, columns)] = own
            taken += own
        elif _CULTURES.fullmatch(word) and len(stems) == 1:
            without = [_unit_apart(name)[0] for name in own]
            sign = {name[len(stem) :].rstrip("0123456789)]") for name in without}
            pattern = f"{stem}{sign.pop() if len(sign) == 1 else ''}*{own[0][len(without[0]) :]}"
            return Beside({UNNAMED: pattern}, own, "a column for each experiment")
    if not columns:
        return None
    for name in names:  # what was measured once
        if name not in taken:
            columns[identifier(_unit_apart(name)[0], columns)] = [name]
    return Beside(columns, [*taken, *(name for name in names if name not in taken)], "replicates side by side")


def _alike(columns: Sequence[FloatArray]) -> bool:
    """Whether columns [R] go up and down together, in the same size."""
    table = np.column_stack(columns)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < 3:
        return False
    if table.min() > 0 and table.max() > 30 * table.min():
        table = np.log(table)
    mean = table.mean(axis=1, keepdims=True)
    span, total = float(np.ptp(mean)), float(((table - table.mean()) ** 2).sum())
    if not span or not total:
        return False
    biased = float(np.abs((table - mean).mean(axis=0)).max()) / span
    return 1 - float(((table - mean) ** 2).sum()) / total >= ALIKE and biased <= BIASED


def _products(names: Sequence[str], numbers: Mapping[str, FloatArray]) -> Beside | None:
    """`N_wt, N_mut, S_wt, S_mut`: each quantity in each experiment. What is of one size is one quantity."""
    found = {name: parts for name in names if (parts := _WORDS.fullmatch(name))}
    if len({parts[2] for parts in found.values()}) != 1 or len(found) < 4:
        return None
    first = list(dict.fromkeys(parts[1] for parts in found.values()))
    last = list(dict.fromkeys(parts[3] for parts in found.values()))
    if min(len(first), len(last)) < 2 or len(first) * len(last) != len(found):
        return None
    sign = next(iter(found.values()))[2]
    sizes = {name: np.log(float(np.nanmax(np.abs(numbers[name]))) or 1.0) for name in found}
    by_first = sum(np.std([sizes[n] for n in found if found[n][1] == word]) for word in first) / len(first)
    by_last = sum(np.std([sizes[n] for n in found if found[n][3] == word]) for word in last) / len(last)
    columns: dict[str, str] = {}
    for word in first if by_first <= by_last else last:
        pattern = f"{word}{sign}*" if by_first <= by_last else f"*{sign}{word}"
        columns[identifier(word, columns)] = pattern
    return Beside(columns, list(found), "a column for each quantity and experiment")


def _treated(names: Sequence[str]) -> Beside | None:
    """`OD_wt, OD_mut`: one quantity of experiments that are called by what was done to them."""
    found = [parts for name in names if (parts := _WORDS.fullmatch(name))]
    stems = {parts[1] + parts[2] for parts in found}
    if len(found) < 2 or len(found) < len(names) or len(stems) > 1 or not all(_TREATED.fullmatch(p[3]) for p in found):
        return None
    return Beside({identifier(found[0][1], ()): f"{stems.pop()}*"}, names, "a column for each experiment")
