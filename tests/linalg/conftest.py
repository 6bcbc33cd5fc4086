"""What these tests share: machine code runs between guards."""

from __future__ import annotations

import pytest

from guarded_calls import guard_calls


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written beside an array fails the test."""
    guard_calls(monkeypatch)
