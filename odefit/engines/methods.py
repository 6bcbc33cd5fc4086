"""The one list of solver methods.

To add a method of an engine is one line here; nothing else names them: choice, engines, checks, diagnostics and plots
read this table. How the engines are made stands in registry.py.
"""

from __future__ import annotations

from odefit.records import dataclass

AUTO = "auto"


@dataclass(frozen=True)
class Method:
    """One way to integrate.

    Attributes
    ----------
    engine
        Its entry in `registry.ENGINES`.
    order
        Of its error in the step; the highest, where it varies; None where it depends.
    is_compiled
        Whether the engine compiles formulas, and knows nothing else; see `Engine.is_compiled`.
    is_implicit
        Whether stiff systems are no trouble to it.
    is_fixed_step
        Whether its steps are given, not chosen by a tolerance.
    is_multistep
        Whether a step needs the steps before it.
    adjoint_only
        Whether gradients come by the adjoint equations alone.
    is_coarse_between
        Whether it interpolates between its steps less exactly than it steps.
    alias_of
        Another name of the same method.
    reference
        Relative tolerances, falling, at which it may serve as a reference for other methods.
    network_engine
        The engine that takes equations with networks, where `engine` takes none.
    """

    engine: str
    order: int | None
    is_compiled: bool = False
    is_implicit: bool = False
    is_fixed_step: bool = False
    is_multistep: bool = False
    adjoint_only: bool = False
    is_coarse_between: bool = False
    alias_of: str | None = None
    reference: tuple[float, ...] = ()
    network_engine: str | None = None

    def engine_for(self, is_mechanistic: bool) -> str:
        """The entry of the engine for equations, or for equations with networks inside."""
        return self.engine if is_mechanistic else self.network_engine or self.engine


METHODS: dict[str, Method] = {
    "tsit5": Method("kernel", 5, is_compiled=True, reference=(1e-11, 1e-12), network_engine="networks"),
    "rodas5p": Method("kernel", 5, is_compiled=True, is_implicit=True, reference=(1e-10, 1e-11)),
    "tsit45": Method("diffsol", 5, is_compiled=True, reference=(1e-11, 1e-12)),
    "bdf": Method(
        "diffsol", 5, is_compiled=True, is_implicit=True, is_multistep=True, reference=(1e-9, 1e-10, 1e-11, 1e-12)
    ),
    "esdirk34": Method("diffsol", 3, is_compiled=True, is_implicit=True),
    "tr_bdf2": Method("diffsol", 2, is_compiled=True, is_implicit=True),
    "adaptive_heun": Method("torch", 2),
    "bosh3": Method("torch", 3, is_coarse_between=True),
    "dopri5": Method("torch", 5, reference=(1e-6, 1e-7, 1e-8, 1e-9, 1e-10)),
    "dopri8": Method("torch", 8, is_coarse_between=True),
    "euler": Method("torch", 1, is_fixed_step=True),
    # torchdiffeq's default order of 12 is unstable; TorchEngine asks for 5.
    "explicit_adams": Method("torch", 5, is_fixed_step=True, is_multistep=True),
    "fehlberg2": Method("torch", 2),
    "fixed_adams": Method("torch", 5, is_fixed_step=True, is_multistep=True, alias_of="implicit_adams"),
    "heun2": Method("torch", 2, is_fixed_step=True),
    "heun3": Method("torch", 3, is_fixed_step=True),
    "implicit_adams": Method("torch", 5, is_fixed_step=True, is_multistep=True),
    "midpoint": Method("torch", 2, is_fixed_step=True),
    "rk4": Method("torch", 4, is_fixed_step=True),
    # LSODA, which changes between a stiff and a non-stiff method by itself.
    "scipy_solver": Method("torch", None, is_multistep=True, adjoint_only=True),
}
"""Every value that `solver.method` may have, besides AUTO: the quick engine first."""

AUTO_EXPLICIT, AUTO_IMPLICIT = "tsit5", "rodas5p"
AUTO_COMPILED = "tsit45"
AUTO_STIFF = "bdf"
AUTO_TORCH = "dopri5"
"""What `auto` is: the first, for formulas with the second where they are stiff; torch's for what is not compiled."""


def methods_of(engine: str) -> tuple[str, ...]:
    """The methods of one engine."""
    return tuple(name for name, method in METHODS.items() if method.engine == engine)
