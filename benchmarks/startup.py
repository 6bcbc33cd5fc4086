"""CPU of whole commands as multiples of `python -c "import numpy"`, today's build beside an earlier one.

    python benchmarks/startup.py [--old WORKTREE] [--turns 5] [--pictures]

The least CPU (user and system) of several turns, every command in turn, in one run on one machine: only ratios say
anything. WORKTREE is a checkout of the earlier build (`git worktree add ../old 6d87900`). The cache of programs is
warm, as it is for whoever calls a second time, and so are the compiled modules of Python.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import environment_of

ROOT = Path(__file__).parents[1]
CONFIG = "configs/lynx_hare.yaml"
COMMANDS = {
    "odefit --help": ["--help"],
    "odefit check": ["check", CONFIG],
    "fit, one start, no pictures": ["fit", CONFIG, "--no-plots", "--set", "fit.starts=1", "--out", "OUT"],
    "fit, no pictures": ["fit", CONFIG, "--no-plots", "--out", "OUT"],
}
PICTURES = {"fit with pictures": ["fit", CONFIG, "--out", "OUT"]}


def cpu(command: list[str], build: Path) -> float:
    """User and system seconds of one process with its children."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(Path(folder) / "run") if word == "OUT" else word for word in command]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            words,
            cwd=build,
            env=environment_of(build),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--old", type=Path, help="a checkout of an earlier build")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--pictures", action="store_true", help="the README's first command too")
    given = parser.parse_args()
    builds = {"today": ROOT} | ({"old": given.old.resolve()} if given.old else {})
    commands = COMMANDS | (PICTURES if given.pictures else {})
    least: dict[tuple[str, str], float] = {}
    for _ in range(given.turns):
        least["numpy", ""] = min(cpu([sys.executable, "-c", "import numpy"], ROOT), least.get(("numpy", ""), 1e9))
        for name, arguments in commands.items():
            for build, path in builds.items():
                seconds = cpu([sys.executable, "-P", "-m", "odefit.cli", *arguments], path)
                least[name, build] = min(seconds, least.get((name, build), 1e9))
    numpy = least["numpy", ""]
    print(f"import numpy: {numpy:.3f} s of CPU; all others in multiples of it")
    for name in commands:
        shown = [f"{build} {least[name, build] / numpy:5.1f}" for build in builds]
        ratio = f"   {least[name, 'today'] / least[name, 'old']:.2f} of the old build" if given.old else ""
        print(f"{name:30s} {'   '.join(shown)}{ratio}")


if __name__ == "__main__":
    main()
