"""FLASH_ATTN_EXT: softmax(scale * queries * keys^T + mask) * values, [picture, head, token, depth].

The output is [picture, query, head, value depth].
"""

import numpy as np
import pytest
from compare import (
    U32,
    Tensor,
    as_read,
    assert_near,
    compute,
    each_level,
    normal,
    ours,
    seeds,
    store,
    takes,
    threads,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Sources = tuple[Tensor, Tensor, Tensor, Tensor | None]


def mask_of(shape: tuple[int, ...], seed: int, share: float) -> Tensor:
    """Draw a mask: a share of the keys hidden, the others a little up or down."""
    rng = np.random.default_rng(seed)
    hidden = rng.random(shape) < share
    return store(np.where(hidden, -np.inf, rng.standard_normal(shape)), "f16")


def probabilities(q: np.ndarray, k: np.ndarray, mask: Tensor | None, scale: float) -> np.ndarray:
    scores = scale * (q @ k.transpose(0, 1, 3, 2))
    if mask is not None:
        bias = mask.numbers[..., : q.shape[2], :]
        times = (scores.shape[0] // bias.shape[0], scores.shape[1] // bias.shape[1], 1, 1)
        scores = scores + np.tile(bias, times)
    top = scores.max(axis=-1, keepdims=True)
    shares = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = shares.sum(axis=-1, keepdims=True)
    return shares / np.where(total == 0, 1, total)


def check(level: str, sources: Sources, scale: float, threads: int = 2) -> None:
    *tensors, mask = sources
    given_ = [source for source in sources if source is not None]
    found = ours(level, "flash_attn", *given_, numbers=(scale, 0, 0), threads=threads)
    times = tensors[0].memory.shape[1] // tensors[1].memory.shape[1]
    q, k, v = (as_read(level, tensor.numbers) for tensor in tensors)
    k, v = (np.repeat(x, times, axis=1) for x in (k, v))
    p = probabilities(q, k, mask, scale)
    depth = q.shape[-1]
    # The scores' error comes out of the exponential twice; the shares are rounded before they meet
    # the values.
    size = scale * (np.abs(q) @ np.abs(k).transpose(0, 1, 3, 2)).max() + 8
    relative = 2 * (depth + 8) * U32 * size + (2.0**-8 if "bf16" in level else 0)
    turned = (0, 2, 1, 3)
    bound = relative * (p @ np.abs(v)).transpose(turned)
    assert_near(found, (p @ v).transpose(turned), bound + 1e-30)
    plain = compute("ggml", "flash_attn", *given_, numbers=(scale, 0, 0))
    assert_near(found, plain, 0.05 * np.abs(v).max())


def sources_of(
    seed: int,
    kind: str,
    *,
    pictures: int = 1,
    heads: int = 1,
    groups: int = 1,
    queries: int = 8,
    keys: int = 8,
    depth: int = 8,
    value_depth: int | None = None,
    mask: Tensor | None = None,
) -> Sources:
    return (
        Tensor(normal(seed, pictures, heads * groups, queries, depth)),
        store(normal(seed + 1, pictures, heads, keys, depth), kind),
        store(normal(seed + 2, pictures, heads, keys, value_depth or depth), kind),
        mask,
    )


@each_level
@settings(max_examples=40)
@given(
    pictures=st.integers(1, 3),
    heads=st.integers(1, 2),
    groups=st.integers(1, 2),
    queries=st.one_of(st.integers(1, 40), st.sampled_from((97, 193, 257, 530))),
    keys=st.one_of(st.integers(1, 40), st.sampled_from((77, 127, 128, 129, 257))),
    depth=st.one_of(st.integers(1, 160), st.sampled_from((40, 64, 80, 128, 160, 512))),
    kind=st.sampled_from(("f32", "f16")),
    hidden=st.sampled_from((None, 0.0, 0.3, 0.95)),
    mask_heads=st.booleans(),
    padding=st.integers(0, 3),
    seed=seeds,
    threads=threads,
)
def test_shapes(
    level: str,
    pictures: int,
    heads: int,
    groups: int,
    queries: int,
    keys: int,
    depth: int,
    kind: str,
    hidden: float | None,
    mask_heads: bool,
    padding: int,
    seed: int,
    threads: int,
) -> None:
    mask = None
    if hidden is not None:
        shape = (1, heads * groups if mask_heads else 1, queries + padding, keys)
        mask = mask_of(shape, seed, hidden)
    sources = sources_of(
        seed,
        kind,
        pictures=pictures,
        heads=heads,
        groups=groups,
        queries=queries,
        keys=keys,
        depth=depth,
        mask=mask,
    )
    check(level, sources, depth**-0.5, threads)


@each_level
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_hidden_rows_and_padded_keys(level: str, kind: str) -> None:
    """Queries that see nothing get zeros, as ggml has it; keys that are padding count for none."""
    mask = mask_of((1, 1, 70, 256), 1, 0.0)
    mask.memory[..., 200:] = -np.inf  # from the second block of keys on
    mask.memory[:, :, 5:9] = -np.inf
    mask.memory[:, :, 64:, :128] = -np.inf
    sources = sources_of(3, kind, heads=2, queries=70, keys=256, depth=40, mask=mask)
    check(level, sources, 0.2)
    for tensor in sources[1:3]:
        tensor.memory[:, :, 200:] = 1000
    check(level, sources, 0.2)
    mask.memory[...] = -np.inf
    check(level, sources, 0.2)


@each_level
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_scores_that_grow_from_block_to_block(level: str, kind: str) -> None:
    """What was summed so far is put right each time a greater score comes."""
    q, k, v, _ = sources_of(5, kind, queries=33, keys=600, depth=64)
    k.memory[...] *= np.linspace(0.1, 4, 600)[:, None].astype(k.memory.dtype)
    check(level, (q, k, v, None), 0.5)
    check(level, (q, Tensor(k.memory[:, :, ::-1].copy(), kind), v, None), 0.5)


@each_level
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_heads_side_by_side(level: str, kind: str) -> None:
    """Queries, keys and values as views of one [token, head, depth] memory each."""
    q = Tensor(normal(1, 2, 50, 3, 40).transpose(0, 2, 1, 3))
    k, v = (store(normal(i, 2, 77, 3, 40), kind) for i in (2, 3))
    views = (Tensor(x.memory.transpose(0, 2, 1, 3), kind) for x in (k, v))
    check(level, (q, *views, None), 0.15)


@each_level
def test_values_of_another_depth(level: str) -> None:
    check(level, sources_of(1, "f16", queries=20, keys=30, depth=24, value_depth=57), 0.2)


@each_level
def test_threads_change_nothing(level: str) -> None:
    q, k, v, _ = sources_of(1, "f16", heads=3, queries=211, keys=154, depth=40)
    one, *others = (
        ours(level, "flash_attn", q, k, v, numbers=(0.2, 0, 0), threads=n) for n in (1, 2, 3, 8)
    )
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_level
@pytest.mark.parametrize("queries", [1, 20])
@pytest.mark.parametrize("which", ["queries", "keys", "values"])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("all_of_it", [False, True])
def test_nan_and_infinity(
    level: str, queries: int, which: str, poison: float, all_of_it: bool
) -> None:
    q, k, v, _ = sources_of(1, "f32", queries=queries, keys=140, depth=16)
    tensor = {"queries": q, "keys": k, "values": v}[which]
    tensor.memory[..., slice(None) if all_of_it else 3] = poison
    found = ours(level, "flash_attn", q, k, v, numbers=(0.2, 0, 0))
    plain = compute("ggml", "flash_attn", q, k, v, numbers=(0.2, 0, 0))
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(plain))


def test_what_text_models_need_is_left_to_ggml() -> None:
    q, k, v, _ = sources_of(1, "f16")
    assert takes("flash_attn", q, k, v, numbers=(1, 0, 0))
    assert not takes("flash_attn", q, k, v, numbers=(1, 0, 30))  # caps of scores
    mask = mask_of((1, 1, 8, 8), 1, 0.0)
    assert takes("flash_attn", q, k, v, mask, numbers=(1, 0, 0))
    assert not takes("flash_attn", q, k, v, mask, numbers=(1, 8, 0))  # ALiBi
    q, k, v, _ = sources_of(1, "q8_0", depth=32)
    assert not takes("flash_attn", q, k, v, numbers=(1, 0, 0))
