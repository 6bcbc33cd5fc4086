"""The steppers as machine code, each compiled when it is first needed on a machine, so that a first fit does not wait
for all."""

from __future__ import annotations

from functools import lru_cache

from odefit.compilation import machine_code
from odefit.compilation.machine_code import MachineCode

KERNEL = "odefit.engines.kernel."
METHODS = ("stepping", "interpolant", "watching", "tsitouras", "elimination", "rosenbrock")
STEPPERS = {
    "solve_members": (*METHODS, "members"),
    "solve_ways": (*METHODS, "coming", "ways"),
    "pull_members": (*METHODS, "stiff_adjoint", "adjoint"),
}
"""Entry point -> the modules of the kernel whose text becomes its machine code, and nothing else."""


def available() -> tuple[bool, str]:
    """Whether machine code can be made here; if not, a sentence that says why."""
    missing = machine_code.missing()
    if missing is not None:
        return False, missing
    try:
        stepper("solve_members")  # compiled once per machine, and needed in any case
    except machine_code.FAULTS as error:
        return False, f"llvmlite does not work on this machine ({error})"
    return True, ""


@lru_cache(maxsize=len(STEPPERS))
def stepper(name: str) -> MachineCode:
    """The stepper behind an entry point, for all systems."""
    return machine_code.code_of_modules([KERNEL + module for module in STEPPERS[name]], [name])
