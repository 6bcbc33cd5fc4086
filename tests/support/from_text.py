"""Problems from the text of a config, in memory: for tests that are not about files."""

from __future__ import annotations

import io

import pandas as pd

from odefit import api
from odefit.config.source import parse_yaml
from odefit.problem.assembly import Assembly


def assembled(config: str, *overrides: str, data: str | None = None) -> Assembly:
    """The problem that a config describes. data: a table as CSV text, in place of what the config names."""
    frame = None if data is None else pd.read_csv(io.StringIO(data))
    return api.assembled(parse_yaml(config, "config").data, overrides, data=frame)
