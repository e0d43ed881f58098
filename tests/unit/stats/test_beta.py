"""The incomplete beta function and what comes of it are scipy's, to seven digits and more."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special

from loadlab.stats.beta import binomial_at_most, f_tail, incomplete_beta
from loadlab.stats.student import t_quantile, t_tail


@given(st.floats(0.5, 500), st.floats(0.5, 500), st.floats(0, 1 - 1e-9))
def test_the_incomplete_beta_function_is_scipy_s(a: float, b: float, x: float) -> None:
    """Nearer to 1 scipy loses digits: at a = b = 1/2 it is 3e-9 off the arcsine law (below)."""
    assert incomplete_beta(a, b, x) == pytest.approx(float(special.betainc(a, b, x)), rel=1e-9, abs=1e-14)


@given(st.floats(0, 0.5))
@example(2.0**-53)
def test_at_one_half_it_is_the_arcsine_law_up_to_the_last_number_below_1(rest: float) -> None:
    """Levy 1939: I_x(1/2, 1/2) = 2/pi asin(sqrt(x)), and at 1 - rest what is left to 1 is that of rest."""
    left = 2 / math.pi * math.asin(math.sqrt(1.0 - (1.0 - rest)))
    assert incomplete_beta(0.5, 0.5, 1.0 - rest) == pytest.approx(1.0 - left, rel=1e-13)


@given(st.floats(1, 1e4), st.floats(1e-6, 1 - 1e-6))
def test_quantiles_of_t_are_scipy_s_for_whole_and_broken_degrees_of_freedom(df: float, probability: float) -> None:
    assert float(t_quantile(df, probability)) == pytest.approx(
        float(special.stdtrit(df, probability)), rel=1e-7, abs=1e-7
    )


def test_known_quantiles_of_t() -> None:
    """Fisher's table: 12.706 and 3.182 at .975; Cauchy's quantile at one degree of freedom is tan(pi (p - 1/2))."""
    assert t_quantile([1, 3], 0.975).round(3).tolist() == [12.706, 3.182]
    assert float(t_quantile(1, 0.9)) == pytest.approx(math.tan(math.pi * 0.4))
    assert float(t_quantile(5, 0.5)) == pytest.approx(0.0, abs=1e-12)


@given(st.floats(1, 1000), st.floats(-50, 50))
def test_tails_of_t_are_scipy_s(df: float, statistic: float) -> None:
    assert float(t_tail(df, statistic)) == pytest.approx(float(special.stdtr(df, -statistic)), rel=1e-8, abs=1e-13)


def test_arrays_broadcast_and_too_few_degrees_of_freedom_are_not_a_number() -> None:
    found = t_quantile(np.array([[0.0, 3.0], [9.0, 3.0]]), np.array([0.975, 0.995]))
    expected = special.stdtrit(np.array([[np.nan, 3.0], [9.0, 3.0]]), np.array([0.975, 0.995]))
    assert found == pytest.approx(expected, nan_ok=True)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.0, 1e4))
@example(1, 2, 2.220446049250313e-16)
def test_tails_of_f_are_scipy_s(first: int, second: int, ratio: float) -> None:
    assert f_tail(first, second, ratio) == pytest.approx(
        float(special.fdtrc(first, second, ratio)), rel=1e-8, abs=1e-14
    )


def test_an_infinite_ratio_has_no_tail() -> None:
    assert f_tail(3, 6, math.inf) == 0.0


@given(st.integers(1, 500), st.floats(0, 1), st.data())
def test_binomial_sums_are_scipy_s(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert binomial_at_most(k, n, p) == pytest.approx(float(special.bdtr(k, n, p)), rel=1e-8, abs=1e-13)


def test_a_whole_analysis_does_not_import_scipy() -> None:
    """Its import takes longer than the analysis."""
    script = "import sys, loadlab.analysis.analyse, loadlab.report.render; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
