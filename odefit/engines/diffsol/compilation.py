"""DiffSL text to machine code: compiled once, then read from the cache of programs."""

from __future__ import annotations

import logging
from typing import Any

from odefit.compilation import program_cache
from odefit.engines.diffsol.diffsl import operations, seconds_to_compile

log = logging.getLogger(__name__)


def ode_of(code: str, has_sparse_jacobian: bool) -> Any:
    """A fresh solver for a program. Raises what the compiler raises."""
    import pydiffsol

    versions = (pydiffsol.version(), pydiffsol.diffsol_version(), pydiffsol.diffsl_version())
    key = program_cache.key_of("diffsol", *versions, str(has_sparse_jacobian), code)
    content = program_cache.load(key)
    if content is not None:
        try:
            return pydiffsol.Ode._from_state_bytes(content)
        except Exception as error:
            log.info("a cached program cannot be used, so it is compiled: %s", error)
            program_cache.forget(key)
    if (seconds := seconds_to_compile(code)) > 1:
        log.info("compiling the equations, about %d operations: %.2g s or so", operations(code), seconds)
    matrix = pydiffsol.faer_sparse if has_sparse_jacobian else pydiffsol.nalgebra_dense
    ode = pydiffsol.Ode(code, matrix_type=matrix, ode_solver=pydiffsol.tsit45)
    program_cache.store(key, bytes(ode.__getstate__()))
    return ode
