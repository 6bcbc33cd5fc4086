"""Whether the workers of a cluster compute by the same versions as this machine, also those that join later."""

from __future__ import annotations

import hashlib
from typing import Any

from odefit.compilation.program_cache import processor
from odefit.errors import ConfigError, Fault
from odefit.optimizers.cluster_worker import Look
from odefit.runs.results import versions

COMPARED = (
    *("odefit", "python", "numpy", "scipy", "pydiffsol", "llvmlite"),
    *("dask", "distributed", "msgpack", "cloudpickle"),
)
"""What must have the same version everywhere."""
OTHER_PROCESSOR = "has another kind of processor: its numbers may differ in their last digits"


def looking_around() -> Look:
    """What a worker calls to compare itself with this machine; sent as it stands, since odefit may be missing there."""
    names, other_processor = COMPARED, OTHER_PROCESSOR
    own = hashlib.sha256(processor().encode()).hexdigest()

    def installed() -> dict[str, str]:
        import importlib.metadata
        import platform

        found = {"python": platform.python_version()}
        for name in names:
            try:
                found.setdefault(name, importlib.metadata.version(name))
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

    here = installed() | {"odefit": versions()["odefit"]}

    def look() -> tuple[str, str]:
        there = installed()
        others = [
            f"{name} {there.get(name, 'is missing')} ({here.get(name, 'none')} here)"
            for name in names
            if there.get(name) != here.get(name)
        ]
        if others:
            return f"{', '.join(others)}; install the same there", ""
        import hashlib

        from odefit.compilation.program_cache import processor

        same = hashlib.sha256(processor().encode()).hexdigest() == own
        return "", "" if same else other_processor

    return look


def compare(client: Any, where: str, look: Look) -> None:
    """Raises ConfigError with every worker that is of no use."""
    faults: dict[str, list[str]] = {}
    for worker, found in client.run(look, on_error="return").items():
        if isinstance(found, OSError):  # it has gone meanwhile
            continue
        text = f"cannot be asked ({type(found).__name__}: {found})" if isinstance(found, Exception) else found[0]
        if text:
            faults.setdefault(text, []).append(worker)
    if faults:
        raise ConfigError(
            faults=[
                Fault(where, f"{' and '.join(workers[:3])}{' …' * (len(workers) > 3)}: {text}")
                for text, workers in faults.items()
            ]
        )
