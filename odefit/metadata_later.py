"""`importlib.metadata` for a command's process: imported when something of it is used.

pydantic and typer name it where they look for plugins and completions, which a command never asks for, and its import
(with those of e-mail, sockets and archives) takes half as long as NumPy's.
"""

from __future__ import annotations

import importlib
import sys
import threading
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

NAME = "importlib.metadata"
_ONE_AT_A_TIME = threading.Lock()


class _Metadata(ModuleType):
    """Stands in the module's place until it is asked for anything but the one function that importers name."""

    def __init__(self) -> None:
        super().__init__(NAME)
        # Where the module and its parts are found, for those who import one of these, or look for it.
        self.__spec__ = PathFinder.find_spec(NAME, importlib.__path__)
        self.__path__ = getattr(self.__spec__, "submodule_search_locations", None) or []

    def entry_points(self, **given: Any) -> Any:
        return _imported().entry_points(**given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # what `inspect` and others look for in every module
            raise AttributeError(name)
        return getattr(_imported(), name)


def _imported() -> Any:
    with _ONE_AT_A_TIME:  # else a second thread could take away what the first one is importing
        if isinstance(sys.modules.get(NAME), _Metadata):
            del sys.modules[NAME]
    return importlib.import_module(NAME)


def put_off() -> None:
    """Let `importlib.metadata` be imported later, unless it is there already."""
    if NAME not in sys.modules:
        sys.modules[NAME] = stand_in = _Metadata()
        importlib.metadata = stand_in
