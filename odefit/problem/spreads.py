"""The formulas of a config's doses: how long infusions take, or at which rate they enter."""

from __future__ import annotations

from odefit.config.load import LoadedConfig


def spreads_of(loaded: LoadedConfig) -> dict[tuple[str, str], str]:
    """(`duration` or `rate`, formula) -> its place, of all doses; a file of doses is looked at for them."""
    section = loaded.config.data.doses
    if loaded.events is not None:
        return {row.dose.spread: row.where for row in loaded.events.doses if row.dose.spread is not None}
    if section is None:
        return {}
    if section.csv is not None:
        columns = {str(role): column for role, column in section.columns.items()}
        from odefit.data.dose_table import written_spreads

        return written_spreads(loaded.folder / section.csv, columns, section.time)
    found: dict[tuple[str, str], str] = {}
    keys = ("table",) if isinstance(loaded.source.data["data"]["doses"], dict) else ()
    for k, dose in enumerate(section.table or ()):
        for kind, value in (("duration", dose.duration), ("rate", dose.rate)):
            if isinstance(value, str):
                found.setdefault((kind, value), loaded.where("data", "doses", *keys, k, kind))
    return found
