"""Dense soft-STAPLE against the machine's multiply-add peak, which is measured in the same run.

pytest bench/bench_masses.py --benchmark-columns=median,rounds

A fusion of dense votes is two passes, whatever EM does between them. Counted is what they cannot do without, a
multiply-add as two operations: a voxel's weight of each of the 2^m patterns goes into a sum, N(B) += q(B), the product
over the raters being the last factor's multiplication, and its consensus is the sum of q(B) p(1|B): 2 x 2 x 2^m. The
paper's M-step also needs the moments, of which those with vote 0 suffice: m 2^(m-1) more. Not counted are the products
over half the raters, the checks, and all that is read and written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
import limits
from common import SMALL, middle_of, more_raters


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")  # one iteration: EM itself is on 2^m rows
@pytest.mark.parametrize("m_step", ["em", "paper"])
@pytest.mark.parametrize("m", [7, 12])
@pytest.mark.benchmark(group="dense soft-STAPLE, share of the peak")
def test_masses(benchmark: Any, m: int, m_step: str) -> None:
    votes = more_raters("dense", m)
    options = {"m_step": m_step, "max_iter": 1}
    block = middle_of(votes)
    exact = fastfuse.soft_staple(block, dtype="float64", **options)
    np.testing.assert_allclose(
        fastfuse.soft_staple(block, **options).probability, exact.probability, atol=1e-6
    )
    benchmark.pedantic(fastfuse.soft_staple, (votes,), options, rounds=9 if m < 10 else 3, warmup_rounds=1)
    if not benchmark.disabled:
        operations = 2 * 2**m * (2 + (m / 2 if m_step == "paper" else 0)) * votes[0].size
        rate, peak = operations / benchmark.stats["median"], limits.peak("float32")
        benchmark.extra_info |= {"gflops": rate / 1e9, "of_peak": rate / peak}
        assert SMALL or rate > 0.4 * peak
