"""Training to the same error: odefit's configs, and the plain loop that diffrax compiles.

    python benchmarks/training.py [neural_time hybrid_lotka_volterra ...] [--seconds 100] [--rates 1e-3,3e-3,1e-2]

Each run is a process of its own, on one thread; its CPU seconds are whole: imports, compilation, all. odefit runs its
config as it is shipped. The peer has the same data, the same network with the same first weights and units, all series
from their first rows on, float32, Dopri5 and Adam; its error is looked at every 25 epochs, which is not counted. Two
marks are taken: when its errors are within the limits of networks.py, and when they are at most odefit's of this turn;
it ends there, or after so many seconds of CPU. Of its learning rates the best is what counts. A peer that is not
installed is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from timing import describe_machine, duration, missing, show, times_less

NAMES = ("neural_time", "hybrid_lotka_volterra", "neural_cosine")
LOOK_EVERY = 25
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def errors_of(name: str, fit: Any) -> tuple[dict[str, float], bool]:
    """What has a limit among the measures of networks.py, and whether all are within."""
    import math

    from networks import MEASURES

    checks = [check for check in MEASURES[name](fit) if math.isfinite(check[2])]
    return {what: float(value) for what, value, _ in checks}, all(value <= most for _, value, most in checks)


def train_here(name: str, overrides: list[str]) -> dict[str, Any]:
    """odefit in this process."""
    import torch

    torch.set_num_threads(1)
    from networks import fitted

    fit, _ = fitted(name, overrides)
    return {"cpu": time.process_time(), "errors": errors_of(name, fit)[0]}


def loop_here(name: str, wanted: dict[str, float], seconds: float, rate: float) -> dict[str, Any]:
    """diffrax's loop in this process, until all errors are at most those wanted."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    from diffrax_peer import Loop
    from networks import CONFIGS, Fitted

    from odefit.config.load import load_config
    from odefit.problem.preparation import prepare
    from odefit.problem.simulation import simulate_data
    from odefit.training.network_units import set_network_units
    from odefit.training.smoothing import smooth

    loaded = load_config(CONFIGS / f"{name}.yaml")
    assembly, truth = prepare(loaded)
    true = simulate_data(loaded).model
    problem, measured, networks = assembly.problem, assembly.measured, assembly.networks
    assert networks is not None
    set_network_units(problem, networks, smooth(problem))
    system, table = problem.engine.system, problem.table
    p = [float(table.values[table.index[q]]) if q in table.index else 0.0 for q in system.parameters]
    values = np.stack([e.values for e in measured])
    loop = Loop(system, dict(networks.items()), p, measured[0].times, values, learning_rate=rate)
    theta, epochs, looking, best = table.values.copy(), 2, 0.0, dict[str, float]()
    within: float | None = None

    def result(cpu: float, reached: bool) -> dict[str, Any]:
        return {"cpu": cpu, "errors": best, "epochs": epochs, "reached": reached, "within": within}

    while time.process_time() - looking < seconds:
        for _ in range(LOOK_EVERY):
            loop.epoch()
        epochs += LOOK_EVERY
        cpu, begun = time.process_time() - looking, time.process_time()
        given, weights = loop.given
        for q, value in zip(system.parameters, np.asarray(given, float), strict=True):
            if q in table.index:
                theta[table.index[q]] = value
        with torch.no_grad():
            for network, pairs in weights.items():
                layers = [layer for layer in networks[network].layers if hasattr(layer, "weight")]
                for layer, (matrix, bias) in zip(layers, pairs, strict=True):
                    layer.weight.copy_(torch.as_tensor(np.asarray(matrix, float)))
                    layer.bias.copy_(torch.as_tensor(np.asarray(bias, float)))
        errors, is_within = errors_of(name, Fitted(assembly, theta, true, truth or {}))
        within = cpu if within is None and is_within else within
        if not best or max(errors[k] / wanted[k] for k in wanted) < max(best[k] / wanted[k] for k in wanted):
            best = errors
        looking += time.process_time() - begun
        if all(errors[k] <= wanted[k] for k in wanted):
            return result(cpu, True)
    return result(time.process_time() - looking, False)


def apart(*arguments: str) -> dict[str, Any]:
    """One run in a process of its own."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, env=os.environ | THREADS, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"wall": time.perf_counter() - begun}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--rates", default="1e-3,3e-3,1e-2")
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    if options.child:
        how, name, *rest = options.names
        if how == "odefit":
            print(json.dumps(train_here(name, rest)))
        else:
            print(json.dumps(loop_here(name, json.loads(rest[0]), options.seconds, float(rest[1]))))
        return
    describe_machine("torch", "diffrax", "optax", "jax")
    with_diffrax = not missing("diffrax", "optax")
    header = ("config", "how", "errors", "CPU to the limits", "CPU to odefit's errors", "wall", "times odefit's CPU")
    for name in options.names or NAMES:
        rows = []
        ours = apart("odefit", name)
        reached = ", ".join(f"{value:.2g}" for value in ours["errors"].values())
        rows.append([name, "odefit", reached, "", duration(ours["cpu"]), duration(ours["wall"]), ""])
        runs = options.rates.split(",") if with_diffrax else []
        for rate in runs:
            wanted = json.dumps(ours["errors"])
            peer = apart("diffrax", name, wanted, rate, "--seconds", str(options.seconds))
            errors = ", ".join(f"{value:.2g}" for value in peer["errors"].values())
            how = f"diffrax, Adam {rate}, {peer['epochs']} epochs{'' if peer['reached'] else ', not reached'}"
            ratio = f"{'' if peer['reached'] else '> '}{times_less(peer['cpu'] / ours['cpu'])}"
            within = "never" if peer["within"] is None else duration(peer["within"])
            rows.append(["", how, errors, within, duration(peer["cpu"]), duration(peer["wall"]), ratio])
        show("Training to the same errors", header, rows)


if __name__ == "__main__":
    main()
