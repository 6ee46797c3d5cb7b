"""Graphs: nodes of ours and of ggml's in turn, views between them, cancellation."""

import numpy as np
import pytest
from compare import compute, each_level, normal


@each_level
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_nodes_in_turn(level: str, threads: int) -> None:
    """The chain in node.cpp, against the same in float64."""
    weights, x = normal(1, 24, 32), normal(2, 40, 32) / 4
    found = compute(level, "chain", weights, x, threads=threads)
    product = x.astype(np.float64) @ weights.astype(np.float64).T
    squared = (product / (1 + np.exp(-product))) ** 2
    wanted = (3 * squared.T[:, :20]) ** 2
    near = {"rtol": 0.05, "atol": 0.05} if "bf16" in level else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found.squeeze(), wanted, **near)
    plain = compute("ggml", "chain", weights, x)
    np.testing.assert_allclose(found, plain, rtol=0.05, atol=0.05)


@each_level
@pytest.mark.parametrize("operation", ["mul_mat", "add", "elu", "chain"])
def test_a_cancelled_graph_fails(level: str, operation: str) -> None:
    a, b = normal(1, 64, 64), normal(2, 64, 64)
    sources = (a,) if operation == "elu" else (a, b)
    with pytest.raises(RuntimeError, match="aborted"):
        compute(level, operation, *sources, cancelled=True)
