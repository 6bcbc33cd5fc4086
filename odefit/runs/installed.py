"""Which versions of the packages that compute are installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec

COMPUTING = ("numpy", "scipy", "pydiffsol", "torch", "torchdiffeq")
"""Packages whose versions a result names."""
ENDING = ".dist-info"


@cache
def installed() -> Mapping[str, str]:
    """By package, without those that are not there.

    An installation leaves a folder that is called by package and version, `numpy-2.4.6.dist-info`. Where it has left
    something else `importlib.metadata` is asked, whose import takes longer than all of a small fit's iterations.
    """
    told: dict[str, str] = {}
    for folder in sys.path:
        with suppress(OSError):
            for name in os.listdir(folder or os.curdir):
                if name.endswith(ENDING):
                    package, _, version = name.removesuffix(ENDING).partition("-")
                    told.setdefault(package.lower(), version)
    versions = {package: told.get(package) or _stated(package) for package in COMPUTING}
    return {package: version for package, version in versions.items() if version}


def _stated(package: str) -> str:
    """What the metadata say of a package that can be imported; nothing of another."""
    if find_spec(package) is None:
        return ""
    import importlib.metadata

    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return ""
