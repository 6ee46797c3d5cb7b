"""Graphs: nodes of this backend and of ggml alternate, with views between them; cancellation."""

import numpy as np
import pytest
from compare import compute, each_target, kernels, normal, seeds, threads
from hypothesis import example, given, settings
from hypothesis import strategies as st


def test_each_target_is_tested_by_this_machine_or_emulated() -> None:
    tested = sorted(name.removesuffix("_emulated") for name in kernels.targets())
    int8 = sorted(name.removesuffix("_emulated") for name in kernels.int8_targets())
    if tested[0].startswith("neon"):
        assert (tested, int8) == (["neon", "neon_bf16"], [])
    else:
        assert tested == ["amx_bf16", "avx2", "avx512", "avx512_bf16"]
        assert int8 == ["int8 avx2", "int8 avx512_vnni", "int8 avx_vnni"]


@each_target
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_alternating_nodes(target: str, threads: int) -> None:
    """The graph "alternating" of node.cpp matches the same in float64."""
    weights, x = normal(1, 24, 32), normal(2, 40, 32) / 4
    found = compute(target, "alternating", weights, x, threads=threads)
    product = x.astype(np.float64) @ weights.astype(np.float64).T
    squared = (product / (1 + np.exp(-product))) ** 2
    expected = (3 * squared.T[:, :20]) ** 2
    near = {"rtol": 0.05, "atol": 0.05} if "bf16" in target else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found.squeeze(), expected, **near)
    plain = compute("ggml", "alternating", weights, x)
    np.testing.assert_allclose(found, plain, rtol=0.05, atol=0.05)


@each_target
# A result is placed over the per-channel operand of the first node.
@example(
    program=[(7, 0, 0), (4, 1, 0), (4, 2, 0), (4, 3, 0)],
    side=33,
    channels=30,
    pictures=2,
    seed=1,
    threads=1,
)
@settings(max_examples=60)
@given(
    program=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 99), st.integers(0, 99)),
        min_size=1,
        max_size=14,
    ),
    side=st.sampled_from((1, 15, 33)),
    channels=st.sampled_from((1, 8, 30)),
    pictures=st.integers(1, 2),
    seed=seeds,
    threads=threads,
)
def test_elementwise_programs(
    target: str,
    program: list[tuple[int, int, int]],
    side: int,
    channels: int,
    pictures: int,
    seed: int,
    threads: int,
) -> None:
    """Fused nodes are correct whatever memory ggml lets them share."""
    x = normal(seed, pictures, channels, side, side)
    sources = (x, normal(seed + 1, channels, 1, 1), normal(seed + 2, side))
    numbers = [number for step in program for number in step]
    found = compute(target, "elementwise_program", *sources, numbers=numbers, threads=threads)
    plain = compute("ggml", "elementwise_program", *sources, numbers=numbers)
    np.testing.assert_allclose(found, plain, rtol=1e-3, atol=1e-3)


@each_target
@pytest.mark.parametrize("operation", ["mul_mat", "add", "elu", "alternating"])
def test_a_cancelled_graph_fails(target: str, operation: str) -> None:
    a, b = normal(1, 64, 64), normal(2, 64, 64)
    sources = (a,) if operation == "elu" else (a, b)
    with pytest.raises(RuntimeError, match="aborted"):
        compute(target, operation, *sources, cancelled=True)
