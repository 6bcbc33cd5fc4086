"""Words for people: one line, cut where it is long, and the name that was probably meant."""

from __future__ import annotations
