"""The dependencies that pyproject.toml names, one per line, for `pip install -r`.

    python tools/requirements.py                          what odefit needs
    python tools/requirements.py --extra test             with those of an extra
    python tools/requirements.py --lowest                 the lowest releases that it says it works with
    python tools/requirements.py --without torch          but for these

CI installs from here where it wants the lowest releases, or everything but PyTorch.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LOWER = re.compile(r"[>=]=\s*([0-9][^,;\s]*)")


def requirements(project: dict[str, Any], extras: list[str]) -> Iterator[str]:
    """Those of the project and of its extras, whose own references to extras are followed."""
    yield from project["dependencies"]
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[([\w,]+)\]", requirement)
            if own:
                yield from requirements(project | {"dependencies": []}, own[1].split(","))
            else:
                yield requirement


def name_of(requirement: str) -> str:
    found = NAME.match(requirement)
    if found is None:
        raise SystemExit(f"pyproject.toml: no name in {requirement!r}")
    return found[0].lower()


def lowest(requirement: str) -> str:
    """`name==lower` of `name>=lower,<upper`."""
    bound = LOWER.search(requirement)
    if bound is None:
        raise SystemExit(f"pyproject.toml: {requirement!r} has no lower bound")
    return f"{name_of(requirement)}=={bound[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description="The dependencies that pyproject.toml names, one per line.")
    parser.add_argument("--extra", action="append", default=[], help="with those of this extra; repeatable")
    parser.add_argument("--lowest", action="store_true", help="the lowest releases that are allowed")
    parser.add_argument("--without", nargs="+", default=[], metavar="NAME", help="but for these")
    options = parser.parse_args()
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    for requirement in dict.fromkeys(requirements(project, options.extra)):
        if name_of(requirement) not in options.without:
            print(lowest(requirement) if options.lowest else requirement)


if __name__ == "__main__":
    main()
