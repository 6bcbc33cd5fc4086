"""Parquet files: columns of every type, indexes of pandas, what is refused, and damaged files."""

from __future__ import annotations

import datetime
import decimal
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from odefit.config.load import load_config
from odefit.errors import DataError, InputError
from odefit.problem.event_table import with_events
from odefit.problem.measured import read_measured

pa = pytest.importorskip("pyarrow")
TIMES, VALUES = [0.0, 1.0, 2.0, 4.0], [10.0, 6.25, 3.5, 1.5]
PLAIN = [("1", list(zip(TIMES, VALUES, strict=True)))]
DAYS = [datetime.datetime(2021, 3, 1 + k) for k in (0, 1, 2, 4)]
MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}


def written(folder: Path, **columns: Any) -> Path:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table(columns), folder / "d.parquet")
    return folder / "d.parquet"


def read(path: Path, notes: list[str] | None = None, **data: Any) -> list[tuple[str, list[tuple[float, float]]]]:
    loaded = with_events(load_config({**MODEL, "data": {"csv": str(path), **data}}))
    found = read_measured(loaded, ("x",), [] if notes is None else notes)
    return [
        (e.name, [(t, x) for t, x in zip(e.times.tolist(), e.values[:, 0].tolist(), strict=True) if x == x])
        for e in found
    ]


COLUMNS: dict[str, Any] = {
    "doubles": VALUES,
    "decimals": pa.array([decimal.Decimal(str(x)) for x in VALUES]),
    "texts": pa.array([str(x) for x in VALUES]),
    "large texts": pa.array([str(x) for x in VALUES], pa.large_string()),
    "texts without a type": pa.array([str(x).encode() for x in VALUES]),
    "categories of numbers": pa.array(VALUES).dictionary_encode(),
    "half precision": pa.array(VALUES, pa.float32()).cast(pa.float16()),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_numbers_of_every_type(tmp_path: Path, column: str) -> None:
    assert read(written(tmp_path, time=TIMES, x=COLUMNS[column])) == PLAIN


TIME_COLUMNS: dict[str, Any] = {
    "whole numbers": pa.array([0, 1, 2, 4], pa.int16()),
    "dates": pa.array([day.date() for day in DAYS], pa.date32()),
    "seconds since 1970": pa.array(DAYS, pa.timestamp("s")),
    "nanoseconds since 1970": pa.array(DAYS, pa.timestamp("ns")),
    "in a time zone": pa.array(DAYS, pa.timestamp("us", "UTC")),
    "durations": pa.array([datetime.timedelta(hours=t) for t in TIMES], pa.duration("ms")),
    "times of day": pa.array([datetime.time(int(t)) for t in TIMES], pa.time64("us")),
}


@pytest.mark.parametrize("column", TIME_COLUMNS)
def test_times_of_every_type(tmp_path: Path, column: str) -> None:
    assert read(written(tmp_path, time=TIME_COLUMNS[column], x=VALUES)) == PLAIN


def test_a_time_zone_whose_clocks_change(tmp_path: Path) -> None:
    zone = pa.array([datetime.datetime(2021, 3, 28, h) for h in range(4)], pa.timestamp("us", "Europe/Berlin"))
    notes: list[str] = []
    ((_, rows),) = read(written(tmp_path, time=zone, x=VALUES), notes)
    assert [t for t, _ in rows] == [0, 1, 2, 3]
    assert "in the time zone of Greenwich" in notes[0]


def test_cells_without_a_value_and_names(tmp_path: Path) -> None:
    names = pa.array(["a", "a", "b", "b"]).dictionary_encode()
    values = [10.0, None, float("nan"), 1.5]
    assert read(written(tmp_path, time=TIMES, x=values, experiment=names)) == [("a", [(0, 10)]), ("b", [(4, 1.5)])]


def test_indexes_of_pandas_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"x": VALUES}, index=pd.Index(TIMES, name="time")).to_parquet(path)
    assert read(path) == PLAIN
    pd.DataFrame({"x": VALUES}, index=pd.MultiIndex.from_product([["a", "b"], [0, 1]], names=["id", "t"])).to_parquet(
        path
    )
    assert read(path, experiment="id") == [("a", [(0, 10), (1, 6.25)]), ("b", [(0, 3.5), (1, 1.5)])]
    pd.DataFrame({"x": VALUES}, index=pd.DatetimeIndex(DAYS)).to_parquet(path)
    assert read(path, time="index") == PLAIN
    pd.DataFrame({"time": [9.0, *TIMES], "x": [0.0, *VALUES]}).iloc[1:].to_parquet(path)
    assert read(path) == PLAIN


def test_the_folder_of_a_file_says_nothing_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "experiment=a").mkdir()
    assert read(written(tmp_path / "experiment=a", time=TIMES, x=VALUES)) == PLAIN


def test_a_table_of_events(tmp_path: Path) -> None:
    path = written(tmp_path, ID=[1, 1, 1], TIME=[0.0, 1.0, 2.0], DV=[None, 6.25, 3.5], AMT=[100.0, None, None])
    assert read(path) == [("1", [(1, 6.25), (2, 3.5)])]


@pytest.mark.parametrize(
    "columns, data, expected",
    [
        ({"time": TIMES, "x": [[1.0], [2.0, 3.0], [], None]}, {}, "d.parquet: row 0, column x: 'list<"),
        ({"time": TIMES, "x": [{"a": 1.0}] * 4}, {}, "d.parquet: row 0, column x: 'struct<"),
        ({"time": TIMES, "x": [True] * 4}, {}, "row 0, column x: 'True' is not a number"),
        ({"time": TIMES, "x": VALUES}, {"header": ["time", "x"]}, "a Parquet file, which says itself"),
        ({"time": pa.array([], pa.float64()), "x": pa.array([], pa.float64())}, {}, "a header but no data"),
    ],
)
def test_what_is_refused(tmp_path: Path, columns: dict[str, Any], data: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, **columns), **data)
    assert expected in str(caught.value)


def test_lists_that_nothing_reads_are_left_alone(tmp_path: Path) -> None:
    assert read(written(tmp_path, time=TIMES, x=VALUES, spectra=[[1.0], [2.0, 3.0], [], None])) == PLAIN


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    import pyarrow.parquet

    table = pa.table([pa.array(TIMES), pa.array(VALUES), pa.array(VALUES)], names=["time", "x", "x"])
    pyarrow.parquet.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(DataError, match="two columns are called 'x'"):
        read(tmp_path / "d.parquet")


def test_more_cells_than_fit_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odefit.data.grid.parquet.MAX_CELLS", 7)
    with pytest.raises(DataError, match="more cells than the limit of 7"):
        read(written(tmp_path, time=TIMES, x=VALUES))


def test_damaged_files_are_refused_in_a_line(tmp_path: Path) -> None:
    names = ["a", "a", "b", "b"]
    whole = written(tmp_path, time=TIMES, x=VALUES, experiment=names, remark=["µ"] * 4).read_bytes()
    rng, path = random.Random(0), tmp_path / "broken.parquet"
    refused = 0
    for k in range(60):
        data = bytearray(whole[: rng.randrange(4, len(whole))] if k % 3 == 0 else whole)
        for _ in range(1 + k % 4):
            data[rng.randrange(4, len(data) + 1) - 1] = rng.randrange(32, 127)
        path.write_bytes(bytes(data))
        try:
            read(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused >= 40
