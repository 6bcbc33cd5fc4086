"""Effective draws per second of CPU time: odefit's sampler beside nutpie, emcee, dynesty, and NumPyro with diffrax.

    pip install nutpie emcee dynesty arviz numpyro diffrax
    OMP_NUM_THREADS=1 python benchmarks/sampling.py lynx_hare_map flu_1978 theophylline banana two_modes

nutpie, emcee and dynesty are given odefit's own density (and its gradient, in the same coordinates without bounds), so
that they differ by their algorithm and by how many points they ask for at once; NumPyro has a model of its own, of the
lynx and the hare, solved by diffrax (tsit5, the same tolerances) and compiled by XLA. All of a sampler's CPU time
counts, its warm-up and compilation too. The effective draws are the least of all parameters, of the bulk, by the same
function. The posterior of flu_1978 and of the lynx and the hare are those of their priors.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import odefit
from odefit.objective.likelihood import Likelihood
from odefit.sampling.chains import Request, advance, begin, warmed_up
from odefit.sampling.density import Posterior
from odefit.sampling.diagnostics import bulk_ess, rank_r_hat
from odefit.sampling.mixture import Mixture
from odefit.sampling.modes import modes_of

ROOT = Path(__file__).parents[1]
Density = Any


class Banana:
    """Of H. Haario et al. (1999): a normal of scales 10 and 1, bent by b = 0.03."""

    def evaluate(self, v: np.ndarray, _: list[int]) -> tuple[np.ndarray, np.ndarray]:
        x, y = v.T
        gap = y + 0.03 * x * x - 3
        return -0.5 * (x * x / 100 + gap * gap), np.stack([-x / 100 - gap * 0.06 * x, -gap], axis=1)


class TwoModes:
    """Ten dimensions: 0.3 of a unit normal around -4, 0.7 of one around 4, in each of them."""

    def evaluate(self, v: np.ndarray, _: list[int]) -> tuple[np.ndarray, np.ndarray]:
        logs = np.stack([math.log(w) - 0.5 * ((v - m) ** 2).sum(axis=1) for w, m in ((0.3, -4.0), (0.7, 4.0))])
        total = np.logaddexp(*logs)
        share = np.exp(logs - total)
        return total, -(share[0][:, None] * (v + 4) + share[1][:, None] * (v - 4))


def posed(name: str) -> tuple[Density, Mixture]:
    """The density of a problem, and what is known of its modes."""
    if name == "banana":
        return Banana(), Mixture(np.ones(1), np.array([[0.0, 3.0]]), np.diag([10.0, 1.0])[None])
    if name == "two_modes":
        modes = [np.full(10, m) for m in (-4.0, 4.0)]
        return TwoModes(), Mixture.normal(modes, [np.eye(10)] * 2, [math.log(0.3), math.log(0.7)])
    run = odefit.fit(ROOT / "configs" / f"{name}.yaml")
    assert isinstance(run, odefit.Run)
    posterior = Posterior(Likelihood(run.assembly.problem), 16)
    return posterior, modes_of(run, posterior)


def with_odefit(density: Density, mixture: Mixture, draws: int) -> np.ndarray:
    warming = warmed_up(density, mixture, begin(density, mixture, 16, 0), 0)
    while True:
        try:
            next(warming)
        except StopIteration as ended:
            tuned, states = ended.value
            return advance(density, Request(tuned, states, max(draws // 16, 50), (0, 2, 0))).v


def with_nutpie(density: Density, mixture: Mixture, draws: int) -> np.ndarray:
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    n = mixture.means.shape[1]

    def make_logp() -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        def logp(v: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = density.evaluate(v[None], [0])
            if not math.isfinite(value[0]):
                raise ValueError("no density")
            return float(value[0]), gradient[0]

        return logp

    def make_expand(*_: Any) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        return lambda v: {"v": np.asarray(v, dtype=np.float64)}

    start = mixture.means[0] + 0.1 * mixture.roots[0] @ np.ones(n)
    model = from_pyfunc(
        n, make_logp, make_expand, [np.dtype("float64")], [(n,)], ["v"], make_initial_point_fn=lambda _: start
    )
    trace = nutpie.sample(model, draws=draws // 4, tune=300, chains=4, cores=1, seed=1, progress_bar=False)
    return np.asarray(trace.posterior["v"].values)


def with_emcee(density: Density, mixture: Mixture, draws: int) -> np.ndarray:
    import emcee

    n = mixture.means.shape[1]
    walkers, rng = max(32, 4 * n), np.random.default_rng(0)
    points = np.stack([mixture.draw(rng) for _ in range(walkers)])
    sampler = emcee.EnsembleSampler(
        walkers, n, lambda v: density.evaluate(v, [k % 16 for k in range(len(v))])[0], vectorize=True
    )
    steps = max(draws // 8, 400)
    sampler.run_mcmc(points, steps)
    return np.swapaxes(sampler.get_chain(discard=steps // 4), 0, 1)


def with_dynesty(density: Density, mixture: Mixture, _: int) -> np.ndarray:
    """Nested sampling from a box of eight standard deviations around the modes; its equally weighted draws."""
    import dynesty

    reach = 8 * np.sqrt((mixture.roots**2).sum(axis=2)).max(axis=0)
    low, high = mixture.means.min(axis=0) - reach, mixture.means.max(axis=0) + reach
    sampler = dynesty.NestedSampler(
        lambda v: max(float(density.evaluate(v[None], [0])[0][0]), -1e300),
        lambda x: low + (high - low) * x,
        len(low),
        nlive=400,
        rstate=np.random.default_rng(0),
    )
    sampler.run_nested(dlogz=0.1, print_progress=False)
    weights = sampler.results.importance_weights()
    print(f"    dynesty: {1 / (weights**2).sum():.0f} effective draws by their weights", end="")
    return np.asarray(sampler.results.samples_equal(rstate=np.random.default_rng(1)))[None]


def with_numpyro(draws: int, chains: int = 1) -> np.ndarray:
    """The lynx and the hare of the Stan case study."""
    import diffrax
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS, init_to_median

    numpyro.enable_x64()
    table = np.genfromtxt(ROOT / "data" / "lynx_hare.csv", delimiter=",", names=True)
    times, measured = table["year"] - table["year"][0], np.stack([table["hare"], table["lynx"]], axis=1)

    def field(_: Any, y: Any, p: Any) -> Any:
        return jnp.array([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])

    def model() -> None:
        middle, scale = jnp.array([1, 0.05, 1, 0.05]), jnp.array([0.5, 0.05, 0.5, 0.05])
        p = numpyro.sample("p", dist.TruncatedNormal(loc=middle, scale=scale, low=0))
        start = numpyro.sample("start", dist.LogNormal(math.log(10), 1).expand([2]))
        sigma = numpyro.sample("sigma", dist.LogNormal(-1, 1).expand([2]))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Tsit5(),
            0.0,
            times[-1],
            None,
            start,
            args=p,
            saveat=diffrax.SaveAt(ts=jnp.array(times)),
            stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-8),
            max_steps=2000,
            throw=False,
        )
        states = jnp.maximum(solution.ys, 1e-10)
        numpyro.sample("y", dist.LogNormal(jnp.log(states), sigma), obs=jnp.array(measured))

    mcmc = MCMC(
        NUTS(model, init_strategy=init_to_median),
        num_warmup=300,
        num_samples=draws,
        num_chains=chains,
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(0))
    found = mcmc.get_samples(group_by_chain=True)
    return np.concatenate([np.asarray(x) for x in found.values()], axis=2)


SAMPLERS = {"odefit": with_odefit, "nutpie": with_nutpie, "emcee": with_emcee, "dynesty": with_dynesty}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", default=["lynx_hare_map", "flu_1978", "banana", "two_modes"])
    parser.add_argument("--samplers", nargs="*", default=[*SAMPLERS, "numpyro"])
    parser.add_argument("--draws", type=int, default=4000, help="in all")
    chosen = parser.parse_args()
    print(f"{'problem':14}{'sampler':10}{'draws':>8}{'CPU s':>8}{'R-hat':>8}{'least ESS':>11}{'ESS per CPU s':>15}")
    for problem in chosen.problems:
        density, mixture = posed(problem)
        for name in chosen.samplers:
            if name == "numpyro" and problem != "lynx_hare_map":
                continue
            begun = time.process_time()
            made = (
                with_numpyro(chosen.draws // 4) if name == "numpyro" else SAMPLERS[name](density, mixture, chosen.draws)
            )
            seconds = time.process_time() - begun
            columns = np.moveaxis(made, -1, 0)
            ess, worst = min(map(bulk_ess, columns)), max(map(rank_r_hat, columns))
            total = made.shape[0] * made.shape[1]
            print(
                f"{problem:14}{name:10}{total:8}{seconds:8.1f}{worst:8.3f}{ess:11.0f}{ess / seconds:15.1f}", flush=True
            )


if __name__ == "__main__":
    main()
