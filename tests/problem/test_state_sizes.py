"""What the size of a state is, in whatever unit it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import odefit
from odefit.api import assembled
from odefit.engines.base import SolverOptions
from odefit.errors import ConfigError
from odefit.problem.state_sizes import state_sizes


def options_of(config: dict[str, Any], *experiments: odefit.Experiment) -> SolverOptions:
    return assembled(config, data=list(experiments)).problem.engine.options


def tolerances(config: dict[str, Any], *experiments: odefit.Experiment) -> list[float]:
    options = options_of(config, *experiments)
    n = len(config["model"]["equations"])
    return np.broadcast_to(options.atol, n).tolist()


def decay(size: float, **solver: Any) -> dict[str, Any]:
    return {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": size}},
        "parameters": {"k": 0.5},
        "solver": solver,
    }


def series(values: list[float], name: str = "x", label: str = "1") -> odefit.Experiment:
    return odefit.Experiment(label, list(range(len(values))), {name: values})


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e6])
def test_the_tolerance_goes_with_the_unit(size: float) -> None:
    assert tolerances(decay(size), series([size, 0.6 * size, 0.4 * size])) == pytest.approx([1e-8 * size])


def test_it_goes_with_the_relative_tolerance() -> None:
    assert tolerances(decay(1.0, rtol=1e-9), series([1, 0.6, 0.4])) == pytest.approx([1e-11])


def test_a_number_of_the_users_own_wins() -> None:
    assert tolerances(decay(1e-6, atol=3e-7), series([1e-6, 6e-7])) == [3e-7]
    assert options_of(decay(1e-6, atol=3e-7), series([1e-6, 6e-7])).typical == ()


def test_states_that_the_user_names() -> None:
    chain = {
        "model": {
            "equations": {"x": "-k*x", "y": "k*x - y"},
            "initial": {"x": 1e-6, "y": 0},
            "observables": {"x": "x"},
        },
        "parameters": {"k": 0.5},
        "solver": {"atol": {"y": 1e-20}},
    }
    assert tolerances(chain, series([1e-6, 6e-7])) == pytest.approx([1e-14, 1e-20], rel=1e-12)
    chain["solver"] = {"atol": {"z": 1e-20}}
    with pytest.raises(ConfigError, match=r"solver.atol.z.*is no state"):
        options_of(chain, series([1e-6, 6e-7]))


def test_what_starts_at_zero_is_as_large_as_it_becomes() -> None:
    chain = {
        "model": {
            "equations": {"x": "-k*x", "y": "1e-5*k*x - k*y", "z": "1e3*y - z"},
            "initial": {"x": 1, "y": 0, "z": 0},
            "observables": {"x": "x"},
        },
        "parameters": {"k": 0.5},
    }
    x, y, z = tolerances(chain, series([1, 0.6, 0.4, 0.2, 0.1, 0.08, 0.05]))
    assert x == pytest.approx(1e-8)
    assert 1e-15 < y <= 1e-13
    assert 1e-13 < z <= 1e-11


def test_what_is_small_and_grows_counts_while_it_is_small() -> None:
    epidemic = {
        "model": {
            "equations": {"S": "-b*S*I", "I": "b*S*I - g*I"},
            "initial": {"S": 1, "I": 1e-6},
            "observables": {"I": "I"},
        },
        "parameters": {"b": 1.0, "g": 0.2},
    }
    times = np.arange(0.0, 40.0, 4.0)
    data = odefit.Experiment("1", times, {"I": 1e-6 * np.exp(0.5 * np.minimum(times, 25.0))})
    assert tolerances(epidemic, data) == pytest.approx([1e-8, 1e-14], rel=1e-12)


def test_relative_errors_ask_for_the_smallest_measurement() -> None:
    data = series([1.0, 1e-2, 1e-4])
    assert tolerances(decay(1.0), data) == pytest.approx([1e-8])
    assert tolerances(decay(1.0) | {"noise": "lognormal"}, data) == pytest.approx([1e-12])
    assert tolerances(decay(1.0) | {"noise": "proportional"}, data) == pytest.approx([1e-12])


def test_the_smallest_of_several_experiments_counts() -> None:
    config = decay(1.0)
    config["model"]["initial"] = {"x": "estimate"}
    tiny, large = series([1e-5, 6e-6], label="tiny"), series([1e3, 6e2], label="large")
    assert tolerances(config, large, tiny) == tolerances(config, tiny, large) == pytest.approx([1e-13])


def test_doses_are_what_fills_an_empty_state() -> None:
    config = {
        "model": {
            "equations": {"gut": "-k*gut", "blood": "k*gut - blood"},
            "initial": {"gut": 0, "blood": 0},
            "observables": {"blood": "blood"},
        },
        "parameters": {"k": 2.0},
    }
    times = [1.0, 2.0, 6.0, 8.0]
    doses = [odefit.Dose(0.5, "gut", 1e-6), odefit.Dose(5.0, "gut", 1e-6)]
    data = odefit.Experiment("1", times, {"blood": [2e-7, 3e-7, 4e-7, 1e-7]}, doses=doses)
    assert tolerances(config | {"data": {"start": 0}}, data) == pytest.approx([1e-14, 1e-14], rel=1e-12)


def test_a_start_that_cannot_be_solved_leaves_what_is_measured() -> None:
    config = {
        "model": {"equations": {"x": "k*x^2"}, "initial": {"x": 1e-6}, "observables": {"x": "x"}},
        "parameters": {"k": 1e7},
    }
    (tolerance,) = tolerances(config, series([1e-6, 2e-6, 3e-6]))
    assert 1e-16 < tolerance <= 1e-14


def test_fixed_steps_need_none() -> None:
    assert options_of(decay(1e-6, method="rk4", step=0.1), series([1e-6, 6e-7])).atol == 1e-8


def test_older_configs_keep_their_number() -> None:
    assert tolerances(decay(1e-6) | {"version": 1}, series([1e-6, 6e-7])) == [1e-8]


@pytest.mark.parametrize("size", [1e-3, 1e-9, 1e-12])
def test_simulated_data_do_not_know_units(size: float) -> None:
    def simulated(c: float) -> np.ndarray[Any, Any]:
        parameters = {"a": 1.0, "b": 1.5 / c, "d": 1.2 / c, "g": 0.8}
        section = {
            "times": {"stop": 20, "count": 21},
            "noise": 0,
            "parameters": parameters,
            "initial": {"x": c, "y": 0.5 * c},
        }
        equations = {"x": "a*x - b*x*y", "y": "d*x*y - g*y"}
        config = {"model": {"equations": equations}, "parameters": parameters, "data": {"simulate": section}}
        return np.asarray(odefit.simulate(config).frame[["x", "y"]]) / c

    np.testing.assert_allclose(simulated(size), simulated(1.0), rtol=1e-9)


@pytest.mark.parametrize("dosed", [False, True])
def test_compiled_steps_say_what_those_in_python_do(dosed: bool) -> None:
    dose = (odefit.Dose(3.0, "gut", 20.0), odefit.Dose(0.0, "gut", 0.04)) if dosed else ()
    config: dict[str, Any] = {
        "model": {
            "equations": {"gut": "-ka*gut", "blood": "ka*gut - k*blood", "made": "1e-7*blood"},
            "initial": {"gut": 0.03, "blood": 0, "made": 1e4},
            "observables": {"blood": "blood"},
        },
        "parameters": {"ka": 2.0, "k": 0.3},
    }
    one = odefit.Experiment("1", [0, 1, 2, 5], {"blood": [0, 0.02, 0.018, 0.009]}, doses=dose)
    problem = assembled(config, data=[one]).problem
    system, p = problem.engine.system, problem.binding.local(problem.table.values)[:, : problem.n_system]
    sizes = [state_sizes(system, problem.experiments, p, None, names) for names in (None, problem.engine.sensitive)]
    assert sizes[0].tolist() == sizes[1].tolist()
    assert len(set(sizes[0].tolist())) > 1


def test_compiled_steps_that_are_used_up_leave_the_rest_to_others() -> None:
    """The first piece takes all explicit steps, since its rates are fast; those after the doses may take none."""
    config: dict[str, Any] = {
        "model": {
            "equations": {"fast": "1e5*(slow - fast)", "slow": "-k*slow"},
            "initial": {"fast": 0, "slow": 2},
            "observables": {"slow": "slow"},
        },
        "parameters": {"k": 0.3},
    }
    doses = tuple(odefit.Dose(time, "slow", 20.0) for time in (1.0, 2.0, 3.0))
    one = odefit.Experiment("1", [0, 1, 2, 5], {"slow": [2, 21, 36, 40]}, doses=doses)
    problem = assembled(config, data=[one]).problem
    system, p = problem.engine.system, problem.binding.local(problem.table.values)[:, : problem.n_system]
    sizes = [state_sizes(system, problem.experiments, p, None, names) for names in (None, problem.engine.sensitive)]
    assert sizes[0].tolist() == sizes[1].tolist()
