"""`odefit fit` of the lynx and hare data beside COPASI's process on the same starts: CPU of whole processes, in turns.

    python benchmarks/copasi_process.py [--python PYTHON] [--starts 20] [--turns 3]

PYTHON is that of an environment with `pip install copasi-basico` (default: this one). COPASI minimises the sum of
squares of both logarithms by its Levenberg-Marquardt over the six parameters, from the points that odefit's screening
chose, in the same bounds; its process imports basico, builds the model, and writes nothing. odefit's reads the config,
screens, estimates two noise levels as well, certifies, and writes the run folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from timing import describe_machine, environment_of, show

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "lynx_hare.yaml"

PEER = """
import sys
import basico, numpy, pandas
task = numpy.load(sys.argv[1])
basico.new_model(name="lynx_hare", notes="")
for name in "abgd":
    basico.add_parameter(name, initial_value=0.5)
basico.add_parameter("x", type="ode", initial_value=30, expression="Values[a]*Values[x]-Values[b]*Values[x]*Values[y]")
basico.add_parameter("y", type="ode", initial_value=4, expression="0")
basico.set_parameters("y", exact=True, expression="Values[d]*Values[x]*Values[y]-Values[g]*Values[y]")
basico.set_parameters("x", exact=True, expression="Values[a]*Values[x]-Values[b]*Values[x]*Values[y]")
basico.add_parameter("lx", type="assignment", expression="log(Values[x])")
basico.add_parameter("ly", type="assignment", expression="log(Values[y])")
logs = task["logs"]
frame = pandas.DataFrame({"Time": task["times"], "Values[lx]": logs[:, 0], "Values[ly]": logs[:, 1]})
basico.add_experiment("e", frame, data_dir=sys.argv[2])
names = [f"Values[{name}].InitialValue" for name in "abgdxy"]
found = []
for start in task["starts"]:
    rows = zip(names, task["lower"], task["upper"], start)
    items = [{"name": n, "lower": float(low), "upper": float(high), "start": float(v)} for n, low, high, v in rows]
    basico.set_fit_parameters(items)
    basico.run_parameter_estimation(
        method=basico.PE.LEVENBERG_MARQUARDT, update_model=False, randomize_start_values=False
    )
    found.append(basico.get_fit_statistic()["obj"])
found = numpy.array(found)
print(f"{int((found < 1.001 * found.min()).sum())} of {len(found)}")
"""


def write_task(path: Path, starts: int) -> None:
    """The data, the bounds and the chosen starts, in natural values."""
    from odefit.config.load import load_config
    from odefit.fitting.starting_points import starting_points
    from odefit.objective.likelihood import Likelihood
    from odefit.objective.profile import ProfileLikelihood
    from odefit.problem.preparation import prepare

    problem = prepare(load_config(CONFIG, [f"fit.starts={starts}"]))[0].problem
    names = ("alpha", "beta", "gamma", "delta", "hare_0", "lynx_0")
    profile = ProfileLikelihood(Likelihood(problem))
    known = [problem.table.estimated_names[k] for k in profile.free]
    columns = [known.index(name) for name in names]
    lower, upper = (bound[profile.free][columns] for bound in problem.table.search_bounds())
    points = np.clip(starting_points(profile, starts, seed=0)[:, columns], lower + 1e-9, upper - 1e-9)
    (series,) = problem.experiments
    task = {"times": series.times - series.start, "logs": np.log(series.values)}
    np.savez(path, **task, starts=np.exp(points), lower=np.exp(lower), upper=np.exp(upper))


def cpu(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """User and system seconds of a process and its children; the last line that it printed."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert child.stdout is not None
    text = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, text.strip().splitlines()[-1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    describe_machine()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_task(folder / "task.npz", chosen.starts)
        (folder / "peer.py").write_text(PEER)
        out = ["--out", str(folder / "run"), "--overwrite", "--no-plots", "--set", f"fit.starts={chosen.starts}"]
        commands = {
            "odefit fit --no-plots": [sys.executable, "-P", "-m", "odefit.cli", "fit", str(CONFIG), *out],
            "COPASI": [chosen.python, "-P", str(folder / "peer.py"), str(folder / "task.npz"), place],
        }
        least: dict[str, float] = {}
        said: dict[str, str] = {}
        for _ in range(chosen.turns):
            for name, command in commands.items():
                environment = environment_of(ROOT)
                if name == "COPASI":
                    environment.pop("PYTHONPATH")
                seconds, said[name] = cpu(command, environment)
                least[name] = min(seconds, least.get(name, np.inf))
    first = least["odefit fit --no-plots"]
    rows = [[name, f"{seconds:.2f} s", f"{seconds / first:.1f}"] for name, seconds in least.items()]
    show(f"{chosen.starts} starts on the lynx and hare data", ("process", "CPU", "times odefit's"), rows)
    print(f"COPASI: {said['COPASI']} starts at its best")


if __name__ == "__main__":
    main()
