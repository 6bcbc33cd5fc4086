"""Libraries, sparse regression by steps, and models fitted to trajectories: against closed forms and SciPy."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import binom

from odefit.data.experiments import Experiment
from odefit.discovery.field import Field, Known
from odefit.discovery.library import Library, Points, Term, as_law, monomials, reactions, shared_by
from odefit.discovery.recognition import recognised
from odefit.discovery.regression import regression
from odefit.discovery.searching import Search
from odefit.discovery.series import Series, make_series
from odefit.discovery.shooting import Shooting
from odefit.discovery.stepwise import Normal, complexity, moves, search, solved
from odefit.model.formulas import parse_formula

TIMES = np.linspace(0, 6, 61)


def plain(states: tuple[str, ...], texts: list[str], others: tuple[str, ...] = ()) -> Library:
    return Library(states, others, tuple(Term(text, {s: 1.0}) for s in states for text in texts))


def series_of(experiments: list[Experiment], states: tuple[str, ...], others: tuple[str, ...] = ()) -> Series:
    columns = {k: k for k in range(len(states))}
    return make_series(
        experiments, states, columns, np.zeros(len(states), dtype=bool), [None] * len(experiments), others
    )


def oscillators(noise: float, seed: int = 0, scale: float = 1.0, times: np.ndarray = TIMES) -> list[Experiment]:
    """x' = y, y' = -4 x - 0.3 y, from two starts; x in units of 1/scale."""
    rng, found = np.random.default_rng(seed), []
    for k, start in enumerate(([1.0, 0.0], [-0.5, 1.5])):
        y = solve_ivp(lambda _, y: [y[1], -4 * y[0] - 0.3 * y[1]], (0, 6), start, t_eval=times, rtol=1e-9).y
        y = y + noise * rng.standard_normal(y.shape)
        found.append(Experiment(f"e{k}", times, {"x": scale * y[0], "y": scale * y[1]}))
    return found


def test_monomials_are_all_products_up_to_the_degree() -> None:
    assert monomials(["x", "y"], 2) == ["1", "x", "y", "x^2", "x*y", "y^2"]
    assert len(monomials(["x", "y", "z"], 3)) == binom(6, 3)


def test_reactions_of_sir_are_among_those_of_mass_action() -> None:
    found = list(reactions(["S", "I", "R"]))
    assert ("S*I", {"S": -1.0, "I": 1.0}) in found
    assert ("I", {"I": -1.0, "R": 1.0}) in found
    assert len({(text, tuple(net.items())) for text, net in found}) == len(found)


def test_what_is_conserved_is_exchanged_between_pairs() -> None:
    law = as_law("S + 2*I", ["S", "I", "x"])
    assert law == {"S": 1.0, "I": 2.0}
    targets = shared_by([law], ["S", "I", "x"])
    assert targets[0] == {"x": 1.0}
    assert math.isclose(targets[1]["S"] + 2 * targets[1]["I"], 0, abs_tol=1e-12)
    assert as_law("S*I", ["S", "I"]) is None
    both = shared_by([{"E": 1.0, "C": 1.0}, {"S": 1.0, "C": 1.0, "P": 1.0}], ["E", "S", "C", "P"])
    assert both == [{"S": 1.0, "P": -1.0}, {"E": 1.0, "S": 1.0, "C": -1.0}, {"E": 1.0, "C": -1.0, "P": 1.0}]


def test_slopes_of_the_rates_are_differences() -> None:
    library = Library(
        ("x", "y"),
        ("u",),
        (Term("x*y", {"x": 1.0}), Term("x/(K + x)", {"x": -1.0, "y": 2.0}, {"K": 0.7}), Term("sin(x)*u", {"y": 1.0})),
    )
    names = {"x", "y", "u", "p"}
    known = Known((parse_formula("p*x^2", names), parse_formula("-y*p + u", names)), ("x", "y"), ("u",), ("p",))
    field, c, p = Field(library, known), np.array([0.3, -1.2, 0.8]), np.array([0.4])
    at = Points(np.array([[0.5, 1.5], [2.0, -1.0]]), {"u": np.array([0.2, 1.1])})
    f, fx, columns = field.at(at, c, p)
    np.testing.assert_allclose(f[0, 0], 0.3 * 0.75 + 1.2 * 0.5 / 1.2 + 0.4 * 0.25)
    for s in range(2):
        step = np.eye(2)[s] * 1e-6
        ends = [field.at(Points(at.x + sign * step, at.known), c, p)[0] for sign in (1, -1)]
        np.testing.assert_allclose(fx[:, :, s], (ends[0] - ends[1]) / 2e-6, atol=1e-8)
    for j in range(3):
        step = np.eye(3)[j] * 1e-6
        ends = [field.at(at, c + sign * step, p)[0] for sign in (1, -1)]
        np.testing.assert_allclose(columns[:, :, j], (ends[0] - ends[1]) / 2e-6, atol=1e-8)
    other = [Field(Library(("x", "y"), ("u",), (library.terms[0], Term("x/(K + x)", {"x": -1.0, "y": 2.0}, {"K": k}),
             library.terms[2])), known).at(at, c, p)[0] for k in (0.7 + 1e-6, 0.7 - 1e-6)]  # fmt: skip
    np.testing.assert_allclose(columns[:, :, 3], (other[0] - other[1]) / 2e-6, atol=1e-8)
    ends = [field.at(at, c, p + step)[0] for step in (1e-6, -1e-6)]
    np.testing.assert_allclose(columns[:, :, 4], (ends[0] - ends[1]) / 2e-6, atol=1e-8)


@pytest.fixture(scope="module")
def normal() -> Normal:
    rng = np.random.default_rng(3)
    a = rng.standard_normal((60, 8)) * 10.0 ** np.arange(-4, 4)
    b = a[:, [1, 4, 6]] @ (np.array([2.0, -1.0, 0.5]) / 10.0 ** np.array([-3.0, 0.0, 2.0])) + 0.3 * rng.standard_normal(
        60
    )
    none = np.zeros(8, dtype=np.intp)
    return Normal(a.T @ a, a.T @ b, float(b @ b), 60.0, np.zeros(8, dtype=bool), none, none - 1)


def test_a_search_by_steps_finds_the_best_of_all_sets(normal: Normal) -> None:
    every = [solved(normal, c) for k in range(9) for c in itertools.combinations(range(8), k)]
    best = min((one for one in every if one is not None), key=lambda one: one.criterion)
    found = min(search(normal).values(), key=lambda one: one.criterion)
    assert found.columns == best.columns
    assert {1, 4, 6} <= set(found.columns)


def test_gains_and_losses_are_differences_of_sums_of_squares(normal: Normal) -> None:
    at = solved(normal, (1, 2))
    assert at is not None
    found = moves(normal, at)
    larger, smaller = solved(normal, (1, 2, 4)), solved(normal, (1,))
    assert larger is not None
    assert smaller is not None
    np.testing.assert_allclose(found.gains[4], at.rss - larger.rss, rtol=1e-8)
    np.testing.assert_allclose(found.losses[2], smaller.rss - at.rss, rtol=1e-6)


def test_signs_and_families_limit_what_is_chosen(normal: Normal) -> None:
    signs = np.array([0, 0, 0, 0, 1, 0, 0, 0])
    found = search(dataclasses.replace(normal, signs=signs))
    assert all(4 not in one.columns for one in found.values())
    families = np.array([-1, 0, -1, -1, 0, -1, -1, -1])
    found = search(dataclasses.replace(normal, families=families))
    assert all(not {1, 4} <= set(one.columns) for one in found.values())


def test_the_price_of_a_choice_is_that_of_the_extended_bic() -> None:
    many = 1e9
    assert math.isclose(complexity(many, 3, 20), 3 * math.log(many) + 2 * math.log(binom(20, 3)), rel_tol=1e-7)
    assert math.isclose(complexity(many, 3, 20, 0.0, 2), 5 * math.log(many), rel_tol=1e-7)


def test_few_measurements_make_terms_dearer_as_mcquarrie_says() -> None:
    assert math.isclose(complexity(42, 4, 12, 0.0, 4), 8 * math.log(42) * 42 / 32)
    assert complexity(10, 9, 12) > complexity(10, 8, 12) > 0


@pytest.mark.parametrize("form", ["weak", "derivative"])
def test_regression_along_exact_curves_gives_the_coefficients(form: str) -> None:
    series = series_of(oscillators(0.0), ("x", "y"))
    library = plain(("x", "y"), ["1", "x", "y"])
    rows = regression(series, library, None, np.zeros(0), form)  # type: ignore[arg-type]
    found = solved(rows.normal(library), range(6))
    assert found is not None
    np.testing.assert_allclose(found.c, [0, 0, 1, 0, -4, -0.3], atol=0.03)


def test_a_fit_by_shooting_is_that_of_ordinary_least_squares() -> None:
    from scipy.optimize import least_squares

    experiments = oscillators(0.05)
    series, library = series_of(experiments, ("x", "y")), plain(("x", "y"), ["x", "y"])
    model = Shooting(series, Field(library)).fit(
        (1, 2, 3), np.array([0.0, 0.8, -3.0, 0.1]), np.zeros(0), series.smooth, library
    )
    assert model is not None
    assert model.closed

    def residuals(theta: np.ndarray) -> np.ndarray:
        parts = []
        for k, one in enumerate(experiments):
            start = theta[3 + 2 * k : 5 + 2 * k]
            y = solve_ivp(lambda _, y: [theta[0] * y[1], theta[1] * y[0] + theta[2] * y[1]], (0, 6), start,
                          t_eval=TIMES, rtol=1e-8, atol=1e-10).y  # fmt: skip
            parts.append((y.T - one.values) / np.sqrt(model.rss / model.counts))
        return np.concatenate(parts).ravel()

    begin = np.concatenate([[1, -4, -0.3], *(e.values[0] for e in experiments)])
    found = least_squares(residuals, begin, x_scale="jac")
    np.testing.assert_allclose(model.c[1:], found.x[:3], rtol=1e-4)


def test_terms_that_a_model_lacks_have_their_exact_effect() -> None:
    """The linear model about a fit against differences of whole trajectories."""
    series, library = series_of(oscillators(0.0), ("x", "y")), plain(("x", "y"), ["x", "y"])
    shooting = Shooting(series, Field(library), steps=4)
    c = np.array([0.0, 1.0, -4.0, -0.3])
    model = shooting.fit((1, 2, 3), c, np.zeros(0), series.smooth, library)
    assert model is not None
    linear = shooting.normal(model)
    assert linear is not None
    rows = linear[0]
    # With x: x*1e-3 more in the data, its coefficient is what the linear model finds.
    moved = []
    for k, start in enumerate(([1.0, 0.0], [-0.5, 1.5])):
        y = solve_ivp(
            lambda _, y: [1e-3 * y[0] + y[1], -4 * y[0] - 0.3 * y[1]], (0, 6), start, t_eval=TIMES, rtol=1e-9
        ).y
        moved.append(Experiment(f"e{k}", TIMES, {"x": y[0], "y": y[1]}))
    other = Shooting(series_of(moved, ("x", "y")), Field(library), steps=4)
    found = other.normal(model)
    assert found is not None
    full = solved(found[0], range(4))
    assert full is not None
    np.testing.assert_allclose(full.c, [1e-3, 1, -4, -0.3], atol=1e-5)
    assert len(rows.g) == 4


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-5])
def test_a_search_does_not_depend_on_units(scale: float) -> None:
    uneven = np.sort(np.random.default_rng(1).uniform(0, 6, 60))
    experiments = oscillators(0.05, scale=scale, times=uneven)
    find = Search(series_of(experiments, ("x", "y")), plain(("x", "y"), monomials(["x", "y"], 3)))
    find.run()
    best = find.ranked[0]
    assert [find.library.terms[j].name for j in best.columns] == ["x: y", "y: x", "y: y"]
    np.testing.assert_allclose(best.c[list(best.columns)], [1, -4, -0.3], rtol=0.15)


def test_series_with_gaps_and_other_times_are_followed() -> None:
    experiments = oscillators(0.02)
    values = experiments[0].values.copy()
    values[5:15, 0] = np.nan
    values[::3, 1] = np.nan
    short = Experiment("short", TIMES[:31], {"x": experiments[1].values[:31, 0], "y": experiments[1].values[:31, 1]})
    first = Experiment("e0", TIMES, {"x": values[:, 0], "y": values[:, 1]})
    find = Search(series_of([first, short], ("x", "y")), plain(("x", "y"), monomials(["x", "y"], 2)))
    find.run()
    assert [find.library.terms[j].name for j in find.ranked[0].columns] == ["x: y", "y: x", "y: y"]
    share = find.inclusion(20, 0)
    assert (share[list(find.ranked[0].columns)] > 0.9).all()
    np.testing.assert_array_equal(share, find.inclusion(20, 0))


def test_built_in_systems_are_recognised_by_their_terms() -> None:
    names = [f"c{k}" for k in range(1, 8)]
    assert recognised({"hare": "c1*hare + c2*hare*lynx", "lynx": "c3*lynx + c4*hare*lynx"}, names) == "lotka_volterra"
    turned = {"b": "c1*a + c2*b + c5*a*c", "a": "c3*a + c4*b", "c": "c6*c + c7*a*b"}
    assert recognised(turned, names) == "lorenz"
    assert recognised(turned | {"c": "c6*c + c7*a*b + c1"}, names) is None
    assert recognised({"S": "c1*S/(c2 + S)"}, names) is None
    assert recognised({"z": "c1", "v1": "c2 + c3*v1"}, names) is None  # a battery's, but for its current
