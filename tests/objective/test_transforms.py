"""Every scale passes the same test; the torch twin agrees with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odefit.objective.parameters import Parameter, ParameterTable
from odefit.objective.transforms import SCALES, Transforms
from small_problems import central_differences

pytestmark = pytest.mark.quick

CASES = [
    ("linear", -np.inf, np.inf),
    ("linear", -2.0, 3.0),
    ("log", 0.0, np.inf),
    ("log", 1e-3, 5.0),
    ("log", 1e-300, 1e300),
    ("logit", 0.0, 1.0),
    ("logit", -4.0, 0.3),
    ("logit", 1e-8, 1e8),
]


def one(case: tuple[str, float, float]) -> Transforms:
    scale, low, high = case
    return Transforms((scale,), np.array([low]), np.array([high]))


def test_every_scale_is_tested() -> None:
    assert {scale for scale, _, _ in CASES} == set(SCALES)


@pytest.mark.parametrize("case", CASES)
def test_a_scale_is_a_smooth_rising_invertible_map(case: tuple[str, float, float]) -> None:
    transforms = one(case)
    low, high = (float(end[0]) for end in transforms.search_bounds())
    us = np.linspace(max(low, -8.0), min(high, 8.0), 33)[1:-1]
    thetas = np.array([transforms.to_natural(np.array([u]))[0] for u in us])
    back = np.array([transforms.to_search(np.array([theta]))[0] for theta in thetas])
    np.testing.assert_allclose(back, us, rtol=1e-7, atol=1e-9)
    assert (np.diff(thetas) > 0).all()
    assert ((thetas >= case[1]) & (thetas <= case[2])).all()
    for u in us:
        slope = central_differences(transforms.to_natural, np.array([u]), 1e-3)
        np.testing.assert_allclose(transforms.derivative(np.array([u])), slope[0], rtol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_the_bounds_are_the_ends(case: tuple[str, float, float]) -> None:
    transforms = one(case)
    low, high = transforms.search_bounds()
    assert low[0] < high[0]
    np.testing.assert_array_equal(transforms.to_natural(low), [case[1]])
    np.testing.assert_array_equal(transforms.to_natural(high), [case[2]])


def test_a_bound_comes_back_exactly_although_exp_of_its_logarithm_does_not() -> None:
    # A prior on [1, 10] is infinite at exp(ln 10) = 10.000000000000002.
    assert np.exp(np.log(10.0)) > 10.0
    transforms = Transforms(("log",), np.array([1.0]), np.array([10.0]))
    assert transforms.to_natural(np.log(np.array([10.0])))[0] == 10.0
    # The end of an interval may lie beyond.
    assert transforms.to_natural(np.log(np.array([11.0])))[0] == pytest.approx(11.0)


def test_a_log_scale_without_bounds_ends_at_zero() -> None:
    low, high = Transforms(("log",), np.array([-np.inf]), np.array([np.inf])).search_bounds()
    assert (low[0], high[0]) == (-np.inf, np.inf)


@pytest.mark.parametrize("scale", SCALES)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_no_search_value_overflows_or_warns(scale: str, values: list[float]) -> None:
    n = len(values)
    transforms = Transforms((scale,) * n, np.zeros(n), np.ones(n) * 2)
    theta, slope = transforms.to_natural(np.array(values)), transforms.derivative(np.array(values))
    assert not np.isnan(theta).any()
    assert not np.isnan(slope).any()
    if scale == "logit":
        assert ((theta >= 0) & (theta <= 2)).all()


def test_the_slope_of_a_logit_scale_does_not_vanish_early() -> None:
    # s (1 - s) is 0 from u = 37 on, which would make the parameter one "without influence".
    transforms = Transforms(("logit", "logit"), np.zeros(2), np.ones(2))
    np.testing.assert_allclose(transforms.derivative(np.array([40.0, -40.0])), np.exp(-40.0), rtol=1e-12)


def mixed_table() -> ParameterTable:
    return ParameterTable(
        (
            Parameter("a", 0.5, 0.01, 5.0, "log"),
            Parameter("fixed", 7.0, estimate=False),
            Parameter("b", -1.0),
            Parameter("c", 0.3, 0.1, 0.9, "logit"),
            Parameter("d", 2e3, 1e-5, 1e5, "log"),
        )
    )


def test_the_torch_twin_has_the_same_values_and_slopes() -> None:
    torch = pytest.importorskip("torch")
    table = mixed_table()
    u = np.array([-1.2, 0.7, 2.5, 3.0])
    tensor = torch.tensor(u, requires_grad=True)
    theta = table.natural_tensor(tensor)
    np.testing.assert_allclose(theta.detach().numpy(), table.to_natural(u), rtol=1e-15)
    slopes = torch.stack([torch.autograd.grad(value, tensor, retain_graph=True)[0] for value in theta if value != 7.0])
    np.testing.assert_allclose(slopes.numpy(), np.diag(table.transforms.derivative(u)), rtol=1e-14)


def test_the_torch_twin_keeps_an_overflow_to_itself() -> None:
    torch = pytest.importorskip("torch")
    table = mixed_table()
    tensor = torch.tensor([0.0, 1e5, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    table.natural_tensor(tensor).sum().backward()
    assert torch.isfinite(tensor.grad).all()


def test_a_table_of_one_scale_or_none_has_a_torch_twin() -> None:
    torch = pytest.importorskip("torch")
    for parameters in ((), (Parameter("a", 2.0, estimate=False),), (Parameter("b", 3.0),)):
        table = ParameterTable(parameters)
        u = torch.as_tensor(table.to_search(table.values))
        np.testing.assert_array_equal(table.natural_tensor(u).numpy(), table.values)
