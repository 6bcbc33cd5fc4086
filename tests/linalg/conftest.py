"""What these tests share: machine code runs between guards."""

from __future__ import annotations

from guarded_calls import guarded

__all__ = ["guarded"]
