"""What a config says of the file of measurements as a file: its text, its header, its sheet."""

from __future__ import annotations

from odefit.config.load import LoadedConfig
from odefit.data.grid.table_file import FileForm


def file_form(loaded: LoadedConfig) -> FileForm:
    """The keys about the file."""
    data = loaded.config.data
    return FileForm(data.header, data.separator, data.decimal, data.encoding, data.sheet)
