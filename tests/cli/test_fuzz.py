"""Anything at all as a config, a formula, a table: a result or a sentence. `benchmarks/fuzz.py` looks further."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz_cases import CONFIGS, FILES, Document, check_config, check_formula, check_table, configs, formulas, tables
from fuzz_event_tables import check_event_table, event_tables
from fuzz_workbooks import Book, check_workbook, workbooks

# The folder is the same for all examples; each writes its own file there.
loose = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("number", range(len(CONFIGS)))
def test_what_the_fuzzing_starts_from_is_valid(number: int, folder: Path) -> None:
    import yaml

    from odefit.config.load import load_config
    from odefit.latent.task import prepare_latent
    from odefit.problem.preparation import prepare

    (folder / "c.yaml").write_text(yaml.safe_dump(CONFIGS[number]))
    loaded = load_config(folder / "c.yaml")
    if CONFIGS[number]["model"].get("name") == "latent_ode":
        assert len(prepare_latent(loaded).measured) > 1
    else:
        assert prepare(loaded)[0].problem.n_measured > 0


@settings(loose, max_examples=100)
@given(document=configs())
def test_any_config_is_a_problem_or_an_input_error(document: Document, folder: Path) -> None:
    check_config(document, folder)


@settings(loose, max_examples=100)
@given(text=formulas())
def test_any_formula_is_an_expression_or_a_model_error(text: str) -> None:
    check_formula(text)


@settings(loose, max_examples=100)
@given(table=tables())
def test_any_table_is_data_or_a_data_error(table: tuple[str, bytes], folder: Path) -> None:
    check_table(*table, folder)


@settings(loose, max_examples=100)
@given(data=event_tables())
def test_any_table_of_events_is_data_or_an_input_error(data: bytes, folder: Path) -> None:
    check_event_table(data, folder)


@settings(loose, max_examples=50)
@given(book=workbooks())
def test_any_workbook_is_read_right_or_refused(book: Book, folder: Path) -> None:
    pytest.importorskip("python_calamine")
    check_workbook(book, folder)
