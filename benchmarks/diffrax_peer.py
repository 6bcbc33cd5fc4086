"""diffrax as a peer, in one place: a training loop, solutions with sensitivities, and fits by optimistix.

Everything is compiled by JAX (`jit`), in float64 unless said otherwise; how long that took is told apart. Nothing of
JAX is imported before a function is called, so that the other peers can be timed without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from odefit.algebra import to_sympy
from odefit.model.system import TIME, NetworkCall, System, symbol

Array = NDArray[Any]
PACKAGES = ("diffrax", "optimistix", "optax", "jax")


def libraries() -> Any:
    """jax with float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def rates(system: System, networks: Mapping[str, Callable[[Any, Any], Any]]) -> Callable[..., Any]:
    """f(t, y [S], p [L], weights) of a system as a JAX function. networks: name -> function of weights and input."""
    jax = libraries()
    jnp = jax.numpy
    calls = sorted({call for formula in system.rhs for call in formula.atoms(NetworkCall)}, key=str)
    stands = {call: symbol(f"call {k}") for k, call in enumerate(calls)}
    names = [sp.Symbol(name, real=True) for name in (*system.states, TIME, *system.parameters)]
    inputs = [sp.lambdify(names, [to_sympy(arg) for arg in call.args[2:]], modules="jax") for call in calls]
    formulas = [to_sympy(f.xreplace(stands)) for f in system.rhs]
    whole = sp.lambdify([*names, *map(to_sympy, stands.values())], formulas, modules="jax")

    def f(t: Any, y: Any, p: Any, weights: Any) -> Any:
        values = [*y, t, *p]
        outputs = []
        for call, arguments in zip(calls, inputs, strict=True):
            name, which = str(call.args[0].name), int(call.args[1])
            x = jnp.stack([jnp.asarray(a, y.dtype) for a in arguments(*values)])
            outputs.append(networks[name](weights[name], x)[which])
        return jnp.stack([jnp.asarray(v, y.dtype) for v in whole(*values, *outputs)])

    return f


def translated(module: Any) -> tuple[list[tuple[Array, Array]], Callable[[Any, Any], Any]]:
    """A network of odefit's for JAX: its weights, float32, and the function of weights and input [inputs]."""
    jax = libraries()
    jnp = jax.numpy
    from odefit.model.networks import Potential

    known = {
        "LeakyReLU": jax.nn.leaky_relu,
        "ReLU": jax.nn.relu,
        "Tanh": jnp.tanh,
        "Sigmoid": jax.nn.sigmoid,
        "ELU": jax.nn.elu,
        "GELU": lambda z: jax.nn.gelu(z, approximate=False),
        "SiLU": jax.nn.silu,
        "Softplus": jax.nn.softplus,
    }
    layers = [layer for layer in module.layers if type(layer).__name__ == "Linear"]
    others = [known[type(layer).__name__] for layer in module.layers if type(layer).__name__ != "Linear"]
    weights = [tuple(q.detach().numpy().astype(np.float32) for q in (layer.weight, layer.bias)) for layer in layers]
    units = [q.numpy().astype(np.float32) for q in (module.centre, module.scale, module.output_scale)]

    def apply(weights: Any, x: Any) -> Any:
        centre, scale, output_scale = units
        h = (x - centre) / scale
        for k, (matrix, bias) in enumerate(weights):
            h = matrix @ h + bias
            if k < len(others):
                h = others[k](h)
        return h * output_scale

    if isinstance(module, Potential):
        sign = module.sign
        return weights, lambda w, x: sign * jax.grad(lambda at: apply(w, at)[0])(x)
    return weights, apply


class Loop:
    """The classic training loop: each series from its first row, mean squared error, Adam, so many series per step.

    times: [T], of all series. values: [E, T, S]. Dopri5 in float32 at torchdiffeq's default tolerances, as the torch
    loop has it. seconds_to_compile: of the first step, less one of the others.
    """

    def __init__(
        self,
        system: System,
        networks: Mapping[str, Any],
        p: Sequence[float],
        times: Array,
        values: Array,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        tolerances: tuple[float, float] = (1e-7, 1e-9),
    ) -> None:
        jax = libraries()
        import diffrax
        import optax

        jnp = jax.numpy
        made = {name: translated(module) for name, module in networks.items()}
        f = rates(system, {name: apply for name, (_, apply) in made.items()})
        t = jnp.asarray(times, jnp.float32)
        term = diffrax.ODETerm(lambda t, y, given: f(t, y, *given))
        controller = diffrax.PIDController(rtol=tolerances[0], atol=tolerances[1])

        def solve(y0: Any, given: Any) -> Any:
            saved = diffrax.SaveAt(ts=t)
            return diffrax.diffeqsolve(
                term, diffrax.Dopri5(), t[0], t[-1], None, y0, given, saveat=saved, stepsize_controller=controller
            ).ys

        def loss(given: Any, values: Any) -> Any:
            solved = jax.vmap(solve, (0, None))(values[:, 0], given)
            return jnp.mean((solved - values) ** 2)

        optimizer = optax.adam(learning_rate)

        def step(given: Any, state: Any, values: Any) -> Any:
            value, gradient = jax.value_and_grad(loss)(given, values)
            change, state = optimizer.update(gradient, state)
            return optax.apply_updates(given, change), state, value

        self._step, self._gradient = jax.jit(step), jax.jit(jax.value_and_grad(loss))
        weights = {name: [tuple(map(jnp.asarray, pair)) for pair in own] for name, (own, _) in made.items()}
        self.given: Any = (jnp.asarray(p, jnp.float32), weights)
        self.state = optimizer.init(self.given)
        size = batch_size or len(values)
        # Parts of one size only: JAX compiles anew for each.
        self.batches = [jnp.asarray(values[k : k + size], jnp.float32) for k in range(0, len(values) - size + 1, size)]
        first, later = _cpu(self.step), _cpu(self.step)
        self.seconds_to_compile = first - later

    def step(self, number: int = 0) -> float:
        self.given, self.state, value = self._step(self.given, self.state, self.batches[number])
        return float(value)

    def epoch(self) -> float:
        """The loss of the last batch."""
        return [self.step(number) for number in range(len(self.batches))][-1]

    def gradient(self) -> float:
        """Of one batch; the loss."""
        return float(self._gradient(self.given, self.batches[0])[0])


def sensitivities(system: System, p: Array, times: Array, rtol: float, atol: float, stiff: bool) -> Callable[[], Array]:
    """A solution from t = 0 with all its sensitivities: a function that gives p dy/dp, [T, S, L], forward mode."""
    jax = libraries()
    import diffrax

    jnp = jax.numpy
    f = rates(system, {})
    names = [sp.Symbol(name, real=True) for name in system.parameters]
    start = sp.lambdify(names, [to_sympy(f) for f in system.start], modules="jax")
    term = diffrax.ODETerm(lambda t, y, p: f(t, y, p, {}))
    controller = diffrax.PIDController(rtol=rtol, atol=atol)

    def solve(p: Any) -> Any:
        return diffrax.diffeqsolve(
            term,
            diffrax.Kvaerno5() if stiff else diffrax.Tsit5(),
            0.0,
            times[-1],
            1e-6 if stiff else None,
            jnp.stack([jnp.asarray(v, jnp.float64) for v in start(*p)]),
            p,
            saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
            stepsize_controller=controller,
            adjoint=diffrax.ForwardMode(),
            max_steps=100_000,
        ).ys

    compiled = jax.jit(lambda p: jax.jacfwd(solve)(p) * p)
    given = jnp.asarray(p)
    return lambda: np.asarray(compiled(given))


def lotka_volterra_fits(times: Array, logs: Array, rtol: float, atol: float) -> Callable[[Array], float]:
    """Least squares of logarithms [T, 2] by optimistix's Levenberg-Marquardt.

    From a start, u = log(alpha, beta, gamma, delta, hare_0, lynx_0), to the sum of squares that was reached.
    """
    jax = libraries()
    import diffrax
    import optimistix

    jnp = jax.numpy
    t, measured = jnp.asarray(times), jnp.asarray(logs)
    controller = diffrax.PIDController(rtol=rtol, atol=atol)

    def rate(_t: Any, y: Any, p: Any) -> Any:
        return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])

    def residuals(u: Any, _: Any) -> Any:
        p = jnp.exp(u)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate),
            diffrax.Tsit5(),
            t[0],
            t[-1],
            None,
            p[4:],
            p[:4],
            saveat=diffrax.SaveAt(ts=t),
            stepsize_controller=controller,
            adjoint=diffrax.DirectAdjoint(),
            max_steps=2048,
            throw=False,
        )
        return (jnp.log(jnp.maximum(solution.ys, 1e-9)) - measured).ravel()

    solver = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8)

    @jax.jit
    def solve(u: Any) -> Any:
        found = optimistix.least_squares(residuals, solver, u, max_steps=500, throw=False)
        return jnp.sum(residuals(found.value, None) ** 2)

    return lambda u: float(np.nan_to_num(solve(jnp.asarray(u)), nan=np.inf))


def _cpu(task: Callable[[], Any]) -> float:
    begun = time.process_time()
    task()
    return time.process_time() - begun
