"""A differential equation as a layer of any torch network.

    x(t_0) = input,   dx/dt = f(t, x),   output = x(t_1)

after Chen, Rubanova, Bettencourt and Duvenaud (2018), "Neural ordinary differential equations".

>>> from torch import nn
>>> from odefit.nn import ODELayer
>>> field = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8))
>>> network = nn.Sequential(nn.Linear(4, 8), ODELayer(field, (0, 1), autonomous=True), nn.Linear(8, 2))
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

try:
    import torch
    import torchdiffeq
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    what = "odefit.nn needs PyTorch, which is not installed: pip install torch torchdiffeq"
    raise ModuleNotFoundError(what, name=error.name) from None

from odefit.engines.failure import Failure, FailureReason
from odefit.engines.methods import METHODS, methods_of
from odefit.engines.torch_engine import MAX_EVALUATIONS, MAX_STEPS, equal_steps, subdivide
from odefit.engines.torch_failures import failure_of
from odefit.engines.torch_fields import worst_rms
from odefit.errors import SolveError
from odefit.text import closest, did_you_mean

REMEDY = "the vector field may be too steep; try a smaller learning rate, a bounded activation, or a larger rtol"


class ODELayer(nn.Module):
    """Integrates dx/dt = vector_field(t, x) from the first to the last time of `t_span`; x [B, ...] of any shape.

    Parameters
    ----------
    vector_field
        A module, or a function where `adjoint` is off, of the time (a tensor without dimensions, of x's dtype) and the
        state; it returns the shape of the state. With `autonomous` it gets the state alone. It must be a function of
        these: batch normalisation and dropout are none, GroupNorm is one.
    t_span
        Two or more times, rising or falling.
    method
        Any of torchdiffeq. The fixed-step ones take steps no longer than `step`; without it, one step from each time of
        `t_span` to the next (euler over (0, 1) is a residual block). The others choose their steps by rtol and atol,
        such that the worst sample of the batch is as exact as it would be alone.
    adjoint
        The gradient by integrating backwards: slower, and only as exact as the tolerances, but memory does not grow
        with the number of steps. Gradients reach x and the module's parameters, and nothing else.
    rtol, atol
        Tolerances of the methods that choose their steps.
    step
        Longest step of the fixed-step methods, in units of time.
    autonomous
        Whether the vector field is a function of the state alone.
    all_times
        Return the states at all times of `t_span`, [T, B, ...], instead of the last, [B, ...].
    max_evaluations
        A solve by an adaptive method ends with an error after this many evaluations of the vector field.

    Raises
    ------
    ValueError
        For options that make no sense.
    SolveError
        Where the equation cannot be integrated, also in the backward pass of the adjoint. What the vector field itself
        raises comes through as it is.
    """

    def __init__(
        self,
        vector_field: Callable[..., Tensor],
        t_span: Sequence[float] | Tensor,
        method: str = "dopri5",
        adjoint: bool = False,
        rtol: float = 1e-5,
        atol: float = 1e-6,
        step: float | None = None,
        *,
        autonomous: bool = False,
        all_times: bool = False,
        max_evaluations: int = MAX_EVALUATIONS,
    ) -> None:
        super().__init__()
        self.times = _times(t_span)
        _check_method(method, adjoint, step, self.times)
        if not callable(vector_field):
            raise ValueError(f"vector_field: must be a module or a function (got {type(vector_field).__name__})")
        if adjoint and not isinstance(vector_field, nn.Module):
            raise ValueError(
                "vector_field: with adjoint=True it must be a torch.nn.Module, which knows its parameters; "
                "those of a function would silently have no gradient"
            )
        for name, value in (("rtol", rtol), ("atol", atol), ("max_evaluations", max_evaluations)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}: must be a positive number (got {value})")
        self.vector_field = vector_field
        self.method, self.adjoint, self.rtol, self.atol, self.step = method, adjoint, rtol, atol, step
        self.autonomous, self.all_times, self.max_evaluations = autonomous, all_times, max_evaluations
        self._field: _Field | None = None

    @property
    def evaluations(self) -> int:
        """Of the vector field in the last forward pass; the backward pass of the adjoint adds its own."""
        return 0 if self._field is None else self._field.evaluations

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_floating_point():
            raise ValueError(f"the input of an ODELayer must be of a floating-point dtype (got {x.dtype})")
        if not torch.isfinite(x).all():
            raise SolveError("the input of the ODE layer is not finite")
        chosen = self.times if self.all_times else (self.times[0], self.times[-1])
        self._field = _Field(self, x.dtype)
        if not x.numel():
            return x.expand(len(chosen), *x.shape) if self.all_times else x
        # Times stay float64: in float32, a short step at a late time would be nothing but rounding.
        grid = torch.tensor(chosen, dtype=torch.float64, device=x.device)
        try:
            y = self._integrate(self._field, x, grid)
        except (AssertionError, Warning) as error:
            if error is self._field.raised:
                raise
            raise _error(failure_of(error)) from error
        if len(y) < len(grid):
            raise _error(Failure(FailureReason.GAVE_UP, chosen[len(y)]))
        if not torch.isfinite(y).all():
            first = int((~torch.isfinite(y).flatten(1).all(dim=1)).nonzero()[0])
            raise _error(Failure(FailureReason.NOT_FINITE, chosen[first]))
        return y if self.all_times else y[-1]

    def _integrate(self, field: _Field, x: Tensor, grid: Tensor) -> Tensor:
        """States [G, B, ...] at the times of the grid [G]."""
        keywords: dict[str, Any] = {"method": self.method, "rtol": self.rtol, "atol": self.atol}
        keywords["options"] = self._options(grid.device)
        with warnings.catch_warnings():
            # Ignored options and failed iterations are only warned of. The user's own warnings stay warnings.
            warnings.filterwarnings("error", module=r"(torchdiffeq|scipy)\.")
            if self.adjoint and torch.is_grad_enabled():
                parameters = tuple(q for q in self.parameters() if q.requires_grad)
                y = torchdiffeq.odeint_adjoint(field, x, grid, adjoint_params=parameters, **keywords)
            else:
                y = torchdiffeq.odeint(field, x, grid, **keywords)
        return y  # type: ignore[no-any-return]

    def _options(self, device: torch.device) -> dict[str, Any]:
        times = torch.tensor(self.times, dtype=torch.float64, device=device)
        method = METHODS[self.method]
        if method.is_fixed_step and not method.is_multistep:
            width = math.inf if self.step is None else self.step
            return {"grid_constructor": lambda _f, _x, t: subdivide(_between(times, t), width)}
        if method.is_fixed_step:
            width = float(times.diff().abs().min()) if self.step is None else self.step
            steps = {"grid_constructor": lambda _f, _x, t: equal_steps(t, width), "interp": "cubic"}
            return steps | {"max_order": 5, "max_iters": 20}  # the default order of 12 is unstable
        if method.adjoint_only:
            return {"solver": "LSODA"}
        # To step onto the wanted times is more exact than to step over them and interpolate.
        return {"max_num_steps": self.max_evaluations, "norm": worst_sample, "step_t": times}

    def extra_repr(self) -> str:
        tolerance = f"step={self.step}" if METHODS[self.method].is_fixed_step else f"rtol={self.rtol}, atol={self.atol}"
        span = f"t={self.times[0]:g}..{self.times[-1]:g}"
        return f"{span}, method={self.method}, {tolerance}, adjoint={self.adjoint}"


class _Field:
    """The vector field of one integration, as torchdiffeq calls it: counted, limited, its shape checked.

    Each integration has its own, since the adjoint calls it once more in the backward pass. raised: what the
    user's own code raised, where torchdiffeq's errors are of the same type.
    """

    def __init__(self, layer: ODELayer, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.function, self.autonomous = layer.vector_field, layer.autonomous
        method = METHODS[layer.method]
        is_adaptive = not method.is_fixed_step
        self.limit = layer.max_evaluations if is_adaptive else math.inf
        self.evaluations = 0
        self.raised: BaseException | None = None
        if is_adaptive and not method.adjoint_only:
            self.callback_step = self.callback_step_adjoint = _check_step

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        self.evaluations += 1
        if self.evaluations > self.limit:
            raise _error(Failure(FailureReason.CRAWLS, subject=f"{self.limit} evaluations without reaching the end"))
        # float64 times make a float64 state of a float32 one that has no dimensions.
        t, x = t.to(self.dtype), x.to(self.dtype)
        try:
            slope = self.function(x) if self.autonomous else self.function(t, x)
        except (AssertionError, Warning) as error:
            self.raised = error
            raise
        if not isinstance(slope, Tensor) or slope.shape != x.shape:
            got = tuple(slope.shape) if isinstance(slope, Tensor) else type(slope).__name__
            raise ValueError(f"the vector field must return the shape of the state, {tuple(x.shape)} (got {got})")
        return slope.to(self.dtype)


def worst_sample(x: Tensor) -> Tensor:
    """The norm for error control: root mean square over the worst sample of a batch [B, ...]; [N] is one sample."""
    return worst_rms(x.flatten(1).T if x.dim() > 1 else x.reshape(-1, 1))


def _check_step(t: Tensor, _x: Tensor, width: Tensor) -> None:
    """Before each adaptive step. torchdiffeq asserts the same, which `python -O` leaves out."""
    if not bool(t + width > t):
        raise _error(Failure(FailureReason.STEP_TOO_SMALL, float(t.detach())))


def _between(times: Tensor, t: Tensor) -> Tensor:
    """Those of `times` that lie within t [G], which may run either way and whose ends are among them."""
    inside = times[(times >= t.min()) & (times <= t.max())]
    return inside if (inside[-1] > inside[0]) == (t[-1] > t[0]) else inside.flip(0)


def _error(failure: Failure) -> SolveError:
    """With the remedy for a layer, which has no config."""
    return SolveError(f"{failure.what}; {REMEDY}")


def _times(t_span: Sequence[float] | Tensor) -> tuple[float, ...]:
    if isinstance(t_span, Tensor) and t_span.requires_grad:
        raise ValueError("t_span: its times are constants; scale the vector field to learn how far to integrate")
    times = tuple(float(t) for t in t_span)
    widths = [b - a for a, b in itertools.pairwise(times)]
    if not widths or not all(math.isfinite(t) for t in times):
        raise ValueError(f"t_span: must be two or more finite times such as (0, 1) (got {times})")
    if not (all(w > 0 for w in widths) or all(w < 0 for w in widths)):
        raise ValueError(f"t_span: times must rise or fall throughout (got {times})")
    return times


def _check_method(method: str, adjoint: bool, step: float | None, times: tuple[float, ...]) -> None:
    known = methods_of("torch")
    if method not in known:
        close = closest(str(method), known)
        hint = f"{did_you_mean(close)} " if close else ""
        raise ValueError(f"method: unknown method '{method}'; {hint}known: {', '.join(known)}")
    if METHODS[method].adjoint_only and not adjoint:
        raise ValueError(f"method: {method} has gradients with adjoint=True only; set it, or choose dopri5")
    if step is None:
        return
    if not METHODS[method].is_fixed_step:
        raise ValueError(f"step: {method} chooses its steps itself, by rtol and atol; leave step out")
    if not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step: must be a positive number (got {step})")
    if (number := abs(times[-1] - times[0]) / step) > MAX_STEPS:
        raise ValueError(f"step: {step:g} makes {number:.1e} steps, and {MAX_STEPS} are too many; choose a larger one")
