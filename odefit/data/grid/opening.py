"""A file as a sheet, whatever it is: a plain CSV file is read as it always was, all else becomes a grid of cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from odefit.data.columns import Header
from odefit.data.csv_cells import MISSING, decimal_comma, parse_number
from odefit.data.csv_reader import MAX_ABOVE, read_header
from odefit.data.error_list import place
from odefit.data.grid.cell_rows import CellRows
from odefit.data.grid.decoding import read_lines
from odefit.data.grid.finding import Found, bare_names, find_table
from odefit.data.grid.grid import Grid
from odefit.data.grid.splitting import COMMENTS, Dialect, dialects, split, without_last
from odefit.data.grid.table_file import OPEN, PARQUET, SEPARATORS, TEXT, WORKBOOK, FileForm
from odefit.data.grid.workbook import WORKBOOKS, read_sheet
from odefit.data.sheets import CsvSheet, Sheet
from odefit.data.source_files import check_exists, is_utf8, open_text, reason, whole_fault
from odefit.data.unit_words import is_unit, split_unit
from odefit.errors import DataError
from odefit.text import clip, counted, show

PARQUET_HEAD = b"PAR1"
LONGEST = 100_000
"""Characters of a line that are looked at."""
PEEK = 20
"""Rows of a plain file that are looked at before it is taken for one."""
TABBED = 0.5
"""How good a table parted by tabs must be beside one parted by blanks."""
ALIKE = 0.98
"""Two ways to part cells that are as good as this are not told apart."""


def open_table(path: Path, wanted: Sequence[str], form: FileForm = OPEN, where: str = "") -> Sheet:
    """The table in a file.

    Parameters
    ----------
    path
        The file.
    wanted
        The names of columns that are hoped for.
    form
        What the config says of it.
    where
        The place in the config that names it, for faults of the file as a whole.

    Raises
    ------
    DataError
        There is no such file, or it is not clear how it is to be read.
    """
    kind = kind_of(path, where)
    check_keys(path, [kind], form, where)
    if kind == WORKBOOK:
        return _of_workbook(path, wanted, form, where)
    if kind == PARQUET:
        from odefit.data.grid.parquet import open_parquet

        return open_parquet(path, where)
    refusal: DataError | None = None
    plain: Header | None = None
    if not form.is_said:
        try:
            plain = read_header(path, wanted, where)
            if is_utf8(path) and _names_wanted(plain, wanted) and _is_plain(plain):
                return CsvSheet(plain)
        except DataError as error:
            refusal = error
    found = None
    try:
        found = _of_text(path, wanted, form, where)
    except DataError:
        if form.is_said:
            raise
    if found is not None and (plain is None or _names_wanted(found.header, wanted)):
        return found
    if plain is None:
        raise refusal or whole_fault(path, where, "is no table: it has no rows of numbers")
    return CsvSheet(plain)


def kind_of(path: Path, where: str = "") -> str:
    """What a file is by its first bytes: TEXT, WORKBOOK or PARQUET. Raises DataError where there is no such file."""
    try:
        check_exists(path, where)
        with path.open("rb") as file:
            head = file.read(4)
    except (OSError, ValueError) as error:
        raise whole_fault(path, where, f"cannot be read: {reason(error)}") from None
    return WORKBOOK if head in WORKBOOKS else PARQUET if head == PARQUET_HEAD else TEXT


def check_keys(path: Path, kinds: Sequence[str], form: FileForm, where: str = "") -> None:
    """Raises DataError where the config says what has no meaning for files of these kinds, of which `path` is one."""
    keys = form.without_meaning(kinds)
    if keys:
        listed = " and ".join(f"data.{key}" for key in keys)
        what = f"is {kinds[0]}, and {listed} {'has' if len(keys) == 1 else 'have'} no meaning there"
        raise whole_fault(path, where, f"{what}; leave {'it' if len(keys) == 1 else 'them'} out")


def _names_wanted(header: Header, wanted: Sequence[str]) -> bool:
    folded = {name.casefold() for name in wanted}
    return any({name.casefold(), split_unit(name)[0].casefold()} & folded for name in header.names)


def _is_plain(header: Header) -> bool:
    """Whether the rows below the header are cells of numbers at once: no units, no blanks between the cells."""
    with open_text(header.path) as file:
        below = [line[:LONGEST] for line in islice(file, header.line, header.line + PEEK)]
    rows = [split(line, header.delimiter) for line in below if line.strip()]
    if not rows:
        return True
    if len(header.names) == 1 and any(len(line.split()) > 1 for line in below):
        return False
    first = rows[0]
    if header.delimiter == "\t" and any(decimal_comma(cell) is not None for row in rows for cell in row):
        return False
    if len(first) != len(header.names):
        return len(header.names) > 1 and any(len(row) == len(header.names) for row in rows)
    if any(map(_is_number, first)) or not any(_is_number(cell) for row in rows[1:] for cell in row):
        return True
    return any(cell.lower() in MISSING for cell in first) and not all(map(is_unit, filter(None, first)))


def _is_number(cell: str) -> bool:
    return parse_number(cell) is not None or decimal_comma(cell) is not None


def _of_text(path: Path, wanted: Sequence[str], form: FileForm, where: str) -> Grid | None:
    """The table in a text; None where there is none."""
    text = read_lines(path, form, where)
    dialect = _dialect(path, text.lines, form, where)
    if dialect is None:
        return None
    rows = without_last([split(line, dialect.separator) for line in text.lines])
    found = _found(rows, dialect, wanted, form, path, where)
    if found is None or (found.header or 0) >= MAX_ABOVE:
        return None
    notes = [f"{show(path)} {text.note}"] if text.note else []
    return _grid(path, rows, found, dialect, form, notes, skip_comments=True)


def _dialect(path: Path, lines: Sequence[str], form: FileForm, where: str) -> Dialect | None:
    known = dialects(lines)
    if form.separator is not None:
        separator = SEPARATORS[form.separator]
        known = [one for one in known if one[1].separator == separator] or [(0.0, Dialect(separator, False))]
    if form.decimal is not None:
        known = [one for one in known if one[1].comma == (form.decimal == ",")] or known
        if known:
            return Dialect(known[0][1].separator, form.decimal == ",")
    if not known:
        return None
    if known[0][1].separator == " ":
        # In a file with tabs, blanks stand within cells, and above the table.
        tabs = [one for one in known if one[1].separator == "\t" and one[0] >= TABBED * known[0][0]]
        known = tabs or known
    best = [dialect for score, dialect in known if score >= ALIKE * known[0][0]]
    if any(one.separator == "\t" for one in best):
        best = [one for one in best if one.separator != " "]  # tabs are blanks, too, and within cells there are others
    if len({one.separator for one in best}) > 1 and form.separator is None and _differ(lines, best):
        names = {sign: word for word, sign in SEPARATORS.items()}
        which = " or ".join(dict.fromkeys(names[one.separator] for one in best))
        raise whole_fault(path, where, f"may have its cells parted by {which}; data.separator says which")
    return best[0]


def _differ(lines: Sequence[str], best: Sequence[Dialect]) -> bool:
    """Whether the ways to part cells make different tables of the lines."""
    sample = [line for line in lines if line.strip() and not line.startswith(COMMENTS)][:PEEK]
    tables = [[split(line, one.separator) for line in sample] for one in best]
    return any(table != tables[0] for table in tables)


def _found(
    rows: Sequence[Sequence[str]], dialect: Dialect, wanted: Sequence[str], form: FileForm, path: Path, where: str
) -> Found | None:
    if isinstance(form.header, int):
        at = form.header - 1
        if not 0 <= at < len(rows) or not any(rows[at]):
            raise whole_fault(path, where, f"has no header in line {form.header} (data.header)")
        below = find_table(rows[at + 1 :], dialect.comma, True)
        return None if below is None else Found(at, None, at + 1 + below.first)
    return find_table(rows, dialect.comma, True, wanted)


def _grid(
    path: Path,
    rows: Sequence[Sequence[str]],
    found: Found,
    dialect: Dialect,
    form: FileForm,
    notes: Sequence[str],
    skip_comments: bool,
    place_of: str = "",
) -> Grid:
    """The table below the header, with its places and what to say of it."""
    width = len(rows[found.first])
    name = show(path) + place_of
    if isinstance(form.header, Sequence):
        names, said = list(form.header), []
        if len(names) != width:
            what = f"data.header has {counted(len(names), 'name')}, and the rows have {counted(width, 'cell')}"
            raise DataError(place(path, found.first + 1), f"{what}; write one name for each")
    elif found.header is None:
        shown = ", ".join(clip(cell) for cell in rows[found.first][:6])
        what = f"the table begins here ({shown}), and no line above names its {counted(width, 'column')}"
        raise DataError(place(path, found.first + 1), f"{what}; data.header names them: `header: [time, …]`")
    else:
        names = bare_names(rows[found.header], width)
        above = sum(1 for row in rows[: found.header] if any(row))
        said = [f"{counted(above, 'line')} above the header (line {found.header + 1}) left alone"] if above else []
    units = {}
    if found.units is not None:
        units = {n: u.strip("[]() ") for n, u in zip(names, rows[found.units], strict=False) if u.strip("[]() ")}
        said.append(f"line {found.units + 1} read as units")
    if dialect.separator == " ":
        said.append("cells parted by blanks")
    if dialect.comma and dialect.separator != ";":
        said.append("decimals with commas")
    if isinstance(rows, CellRows):
        kept = rows.filled(found.first)
        table: Sequence[Sequence[str]] = rows.chosen(kept)
    else:
        kept = [k for k in range(found.first, len(rows)) if any(rows[k]) and not _is_comment(rows[k], skip_comments)]
        table = [rows[k] for k in kept]
    where = partial(_place, path, place_of)
    header = Header(path, ";" if dialect.comma else ",", tuple(names), (found.header or 0) + 1, where)
    notes = [*notes, *([f"{name}: {', '.join(said)}"] if said else [])]
    return Grid(header, table, [k + 1 for k in kept], units, tuple(notes))


def _is_comment(row: Sequence[str], skip: bool) -> bool:
    return skip and row[0].startswith(COMMENTS)


def _place(path: Path, place_of: str, line: int = 0, column: str = "") -> str:
    if not place_of:
        return place(path, line, column)
    where = f"{show(path)}{place_of}" + (f", row {line}" if line else "")
    return f"{where}, column {clip(column)}" if column else where


def _of_workbook(path: Path, wanted: Sequence[str], form: FileForm, where: str) -> Grid:
    from odefit.data.grid.error_cells import error_cells, error_note

    cells, sheet = read_sheet(path, form.sheet, where)
    failed = error_cells(path, sheet)
    cells = cells.without([cell.at for cell in failed if cell.at is not None])
    end = len(cells)
    while end and not any(cells[end - 1]):  # what was formatted and never filled
        end -= 1
    cells = cells[:end]
    found = _found(cells, Dialect(",", False), wanted, form, path, where)
    if found is None:
        raise whole_fault(path, where, f"has no rows of numbers in the sheet '{clip(sheet)}'; data.sheet names another")
    errors = error_note(failed)
    notes = [f"{show(path)}, sheet {clip(sheet)}: {errors}"] if errors else []
    return _grid(path, cells, found, Dialect(",", False), form, notes, False, f", sheet {clip(sheet)}")
