"""What the documentation says of the code is what the code says."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import odefit

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import generate  # noqa: E402

from odefit.cli import app  # noqa: E402
from odefit.config.noise_section import NOISE_MODELS  # noqa: E402
from odefit.model.language import ALIASES, CONSTANTS, FUNCTIONS  # noqa: E402

DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run `python docs/generate.py`"


def test_the_language_page_names_every_function() -> None:
    text = (DOCS / "models.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", text))
    assert {*FUNCTIONS, *CONSTANTS, "piecewise", "ln", "pow"} <= named
    assert {name for name in ALIASES if not name.startswith("arc")} <= named


def test_the_noise_page_names_every_model() -> None:
    text = (DOCS / "noise.md").read_text(encoding="utf-8")
    assert all(f"| `{model}`" in text for model in NOISE_MODELS.__args__)


def test_the_api_page_names_whatever_is_public() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.M)
    assert sorted(named) == sorted(set(odefit.__all__) - {"__version__"})


def test_the_tables_name_every_command_and_every_function() -> None:
    first, python = ((DOCS / page).read_text(encoding="utf-8") for page in ("getting-started.md", "python.md"))
    commands = re.findall(r"`odefit (\w+)", "".join(re.findall(r"^\| `odefit .*", first, re.M)))
    assert sorted(commands) == sorted(get_command(app).commands)
    functions = {name for name in odefit.__all__ if inspect.isfunction(getattr(odefit, name))}
    assert functions <= set(re.findall(r"\b\w+\b", "".join(re.findall(r"^\| `[a-z].*?\|", python, re.M))))


def _messages(page: str) -> Iterator[str]:
    """The first cells of the tables of messages."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for table in re.findall(r"^\| (?:message|warning|reason) \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M):
        for row in table.splitlines():
            yield row.split("|")[1].strip()


def _texts(path: Path) -> Iterator[str]:
    """The texts of a module as they are written, `…` for what is put in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("page", ["errors.md", "uncertainty.md"])
def test_the_messages_are_those_of_the_code(page: str) -> None:
    known = "\n".join(text for path in sorted((ROOT / "odefit").rglob("*.py")) for text in _texts(path))
    messages = list(_messages(page))
    assert len(messages) >= 10
    parts = [part for message in messages for part in re.split(r"…|; |\(|\)|^\w+: |`[^`]*`|\?$", message)]
    missing = [part for part in parts if len(part.strip(" ':,.")) > 3 and part.strip(" ':,.") not in known]
    assert not missing
