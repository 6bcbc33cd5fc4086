from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without libsbml, which is an extra, what reads SBML is not tested."""
    try:
        import libsbml  # noqa: F401
    except ModuleNotFoundError:
        for item in items:
            if "interop" in item.path.parts and "mathematics" not in item.path.name:
                item.add_marker(pytest.mark.skip(reason="needs python-libsbml: pip install odefit[petab]"))
