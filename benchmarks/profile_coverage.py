"""How often do the 95 % profile intervals cover the truth, where those of the curvature do not?

    python benchmarks/profile_coverage.py [--sets 2000] [--first 0] [--only NAME ...]

The studies are those that are hard for the curvature: few and noisy data, a lag, a dispersion, a share of the
prediction, and Michaelis and Menten's law where the data hardly say where it saturates. A parameter passes where the
binomial interval of its share (Wilson) meets 93 to 97 %. An open interval reaches to infinity, and of separate ones any
may cover. Beside them stands the interval of the curvature on the same data sets.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from coverage import AIM, GROWTH, STUDIES, Count, Study, noise_levels, wilson

import odefit
from odefit.config.load import load_config
from odefit.profiles.records import Profile

SATURATION = """\
model: {equations: {S: -Vmax*S/(Km + S)}, initial: estimate}
parameters: {Vmax: {value: 0.8, scale: log}, Km: {value: 2, scale: log}, S_0: {value: 2, scale: log}}
data:
  simulate:
    {parameters: {Vmax: 1, Km: 3}, initial: {S: 2}, times: {stop: 8, count: 12}, noise: {S: 0.05}}
fit: {starts: 5}
"""
HARD = {
    "growth, twice the noise": GROWTH.format(count=20, noise="0.4", model="gaussian"),
    "growth, 10 data": STUDIES["growth, 10 data"],
    "decay, proportional": STUDIES["decay, proportional"],
    "epidemic, negative binomial": STUDIES["epidemic, negative binomial"],
    "doses with a lag, proportional": STUDIES["doses with a lag, proportional"],
    "Michaelis-Menten, hardly saturated": SATURATION,
}


def covered(config: Path, seeds: range) -> tuple[Study, Study]:
    """One fit for each seed: of the profiles, and of the curvature."""
    by_profile, by_curvature, levels = Study(), Study(), noise_levels(load_config(config))
    for seed in seeds:
        run = odefit.fit(config, [f"data.simulate.seed={seed}"])
        if run.result.status != "converged":
            by_profile.failed.append(seed)
            continue
        truth = {**(run.result.truth or {}), **levels}
        for profile in run.profile([name for name in truth if name in run.result.estimates]):
            value = truth[profile.name]
            by_profile.counts.setdefault(profile.name, Count()).add(around(profile, value), value)
            curvature = run.result.estimates[profile.name].interval
            by_curvature.counts.setdefault(profile.name, Count()).add(curvature, value)
    return by_profile, by_curvature


def around(profile: Profile, value: float) -> tuple[float, float]:
    """The interval, or of several the one that the value lies in."""
    infinite = (float("-inf"), float("inf"))
    for part in profile.parts:
        low, high = (end if end is not None else other for end, other in zip(part, infinite, strict=True))
        if low <= value <= high:
            return low, high
    return profile.interval if not profile.parts else (float("inf"), float("inf"))


def lines(title: str, profiles: Study, curvature: Study) -> Iterator[str]:
    """The rows of a study in the table."""
    for name, count in profiles.counts.items():
        low, high = wilson(count.inside, count.n)
        verdict = "" if high >= AIM[0] and low <= AIM[1] else "missed"
        other = curvature.counts[name]
        without = f", {other.none} without" if other.none else ""
        yield (
            f"| {title} | `{name}` | {count.inside / count.n:.1%} | {low:.1%} to {high:.1%} | "
            f"{count.below / count.n:.1%}, {count.above / count.n:.1%} | "
            f"{other.inside / max(other.n, 1):.1%}{without} | {verdict} |"
        )
    if profiles.failed:
        yield f"| {title} | | {len(profiles.failed)} fits did not converge | | | | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000, help="data sets of each study")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--only", nargs="*", default=[], help="studies whose names have one of these words")
    given = parser.parse_args()
    print("| study | parameter | covered | its interval | below, above the truth | by the curvature | |")
    print("|---|---|---|---|---|---|---|")
    for title, text in HARD.items():
        if given.only and not any(word in title for word in given.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "coverage.yaml"
            config.write_text(text)
            studies = covered(config, range(given.first, given.first + given.sets))
        print("\n".join(lines(title, *studies)), flush=True)


if __name__ == "__main__":
    main()
