"""Files of PEtab-SciML with something wrong: one line with its place, or a problem that can be prepared."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from commands import in_process
from network_files import argument, description, layer
from odefit.errors import ConfigError
from odefit.interop.importing import import_file
from sciml_texts import BEFORE, TABLES, hybrid

pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from odefit.config.load import load_config  # noqa: E402
from odefit.problem.preparation import prepare  # noqa: E402

pytestmark = pytest.mark.torch
GARBAGE: list[Any] = [
    *(None, "", 0, -1, 1.5, True, [], {}, [1], 10**30, float("nan")),
    *("x y", "net", "A", "[", "{}", "1e400", "nan", "inf", "ä", "array", "layer1", "../x", "a" * 300),
    *("net.inputs[0]", "net.outputs[9][9]", "net.inputs[99][0]", "print()"),
]
DURING = "targetId | targetValue\nnet_in0 | A\nnet_in1 | k1\nk2 | net_out"


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Keys on the way to each entry of nested lists and mappings."""
    if above:
        yield above
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield from places(value, (*above, key))


def changed(content: Any, rng: random.Random) -> Any:
    """Nested content with one entry dropped, renamed, doubled, or something else."""
    content = copy.deepcopy(content)
    *above, key = rng.choice(list(places(content)))
    holder = content
    for step in above:
        holder = holder[step]
    how = rng.choice(["drop", "rename", "double", "other", "other", "other"])
    if how == "drop":
        del holder[key]
    elif how == "rename" and isinstance(holder, dict):
        holder[f"{key}_x"] = holder.pop(key)
    elif how == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(rng.choice(GARBAGE))
    return content


def changed_yaml(path: Path, section: str | None, rng: random.Random) -> None:
    content = yaml.safe_load(path.read_text())
    if section is None:
        content = changed(content, rng)
    else:
        content[section] = changed(content[section], rng)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def changed_table(path: Path, rng: random.Random) -> None:
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    i = rng.randrange(len(rows))
    j = rng.randrange(len(rows[i]))
    how = rng.choice(["row", "column", "row twice", "rename", "other", "other", "other"])
    if how == "row":
        del rows[i]
    elif how == "column":
        rows = [row[:j] + row[j + 1 :] for row in rows]
    elif how == "row twice":
        rows.insert(i, rows[i])
    else:
        rows[i][j] = f"{rows[i][j]}_x" if how == "rename" else str(rng.choice(GARBAGE))
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def changed_arrays(path: Path, rng: random.Random) -> None:
    others = [np.zeros((2, 7)), np.array([np.nan]), np.arange(3), 1.0, np.array([1j]), np.zeros((0, 3)), "text"]
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        how = rng.choice(["drop", "rename", "group", "other", "other"])
        if how == "rename":
            file.move(name, f"{name}_x")
        else:
            del file[name]
            if how == "group":
                file.create_group(name)
            elif how == "other":
                file[name] = rng.choice(others)


@pytest.mark.parametrize("what", ["net.yaml", "problem", "mapping.tsv", "hybridization.tsv", "arrays.hdf5"])
@pytest.mark.parametrize("seed", range(12))
def test_a_fault_has_its_place_and_what_has_none_can_be_prepared(what: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"{what} {seed}")
    before = rng.random() < 0.5
    problem = hybrid(tmp_path, BEFORE if before else DURING, before=before)
    if what == "net.yaml":
        changed_yaml(tmp_path / what, None, rng)
    elif what == "problem":
        changed_yaml(problem, "extensions", rng)
    elif what == "arrays.hdf5":
        changed_arrays(tmp_path / what, rng)
    else:
        changed_table(tmp_path / what, rng)
    try:
        made = import_file(problem)
    except ConfigError as error:
        assert error.faults
        for fault in error.faults:
            assert str(tmp_path) in fault.where or fault.where.startswith(problem.name), fault
            assert fault.what.strip()
        return
    prepare(load_config(made.write(tmp_path / "made")))


UNKNOWN = BEFORE.replace("net_in0 | one", "net_in0 | two")
FAULTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "two targets that are not there": (
        {"hybridization": BEFORE.replace("k2 |", "k9 |") + "\n    k8 | net_out"},
        ("hybridization.tsv:4: sets 'k9', which", "hybridization.tsv:5: sets 'k8', which"),
    ),
    "two unknown layers": (
        {"network": description([layer("first", "LSTM"), layer("second", "GRU")], [argument()])},
        ("net.yaml:6: 'LSTM' is no layer", "net.yaml:9: 'GRU' is no layer"),
    ),
    "faults of two tables": (
        {"hybridization": UNKNOWN, "mapping": TABLES["mapping"].replace("net.parameters", "net.parameters[third]")},
        ("hybridization.tsv:2: unknown symbol 'two'", "parameters.tsv:4: 'net_ps' is of layer 'third' of 'net'"),
    ),
    "two cells of a row": (
        {"parameters": TABLES["parameters"].replace("array | true", "wrong | maybe")},
        ("parameters.tsv:4, column estimate: 'maybe'", "parameters.tsv:4, column nominalValue: 'wrong'"),
    ),
    "weights that are no numbers": (
        {"arrays": {"parameters/net/second/bias": np.array([np.nan])}},
        ("arrays.hdf5: parameters/net/second/bias has numbers that are not finite",),
    ),
    "a network that is not there": ({"entry": {"location": "other.yaml"}}, ("other.yaml: there is no such file",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_import_says_each_fault_in_one_line_and_writes_nothing(fault: str, tmp_path: Path) -> None:
    changes, expected = FAULTS[fault]
    problem = hybrid(tmp_path, **changes)
    before = sorted(tmp_path.rglob("*"))
    code, output, errors = in_process("import", str(problem), "--out", str(tmp_path / "made"))
    assert (code, output) == (2, "")
    lines = errors.splitlines()
    assert len(lines) == len(expected), errors
    for line, what in zip(lines, expected, strict=True):
        assert line.startswith(f"error: {tmp_path}")
        assert what in line
    assert sorted(tmp_path.rglob("*")) == before
