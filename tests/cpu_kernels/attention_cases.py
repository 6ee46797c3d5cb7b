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
    compute_supported,
    each_target,
    normal,
    seeds,
    store,
    supports,
    threads,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Sources = tuple[Tensor, Tensor, Tensor, Tensor | None]


def mask_of(shape: tuple[int, ...], seed: int, share: float) -> Tensor:
    """Return a random mask that hides a share of the keys and shifts the others a little."""
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
    weights = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def check(target: str, sources: Sources, scale: float, threads: int = 2) -> None:
    *tensors, mask = sources
    tensors_present = [source for source in sources if source is not None]
    found = compute_supported(
        target, "flash_attn", *tensors_present, numbers=(scale, 0, 0), threads=threads
    )
    times = tensors[0].memory.shape[1] // tensors[1].memory.shape[1]
    q, k, v = (as_read(target, tensor.numbers) for tensor in tensors)
    k, v = (np.repeat(x, times, axis=1) for x in (k, v))
    p = probabilities(q, k, mask, scale)
    depth = q.shape[-1]
    # The error of the scores counts twice after the exponential; probabilities are rounded to bf16
    # before they are multiplied by the values.
    size = scale * (np.abs(q) @ np.abs(k).transpose(0, 1, 3, 2)).max() + 8
    relative = 2 * (depth + 8) * U32 * size + (2.0**-8 if "bf16" in target else 0)
    turned = (0, 2, 1, 3)
    bound = relative * (p @ np.abs(v)).transpose(turned)
    assert_near(found, (p @ v).transpose(turned), bound + 1e-30)
    plain = compute("ggml", "flash_attn", *tensors_present, numbers=(scale, 0, 0))
    assert_near(found, plain, 0.05 * np.abs(v).max())


def sources_of(
    seed: int,
    dtype: str,
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
        store(normal(seed + 1, pictures, heads, keys, depth), dtype),
        store(normal(seed + 2, pictures, heads, keys, value_depth or depth), dtype),
        mask,
    )


@each_target
@settings(max_examples=40)
@given(
    pictures=st.integers(1, 3),
    heads=st.integers(1, 2),
    groups=st.integers(1, 2),
    queries=st.one_of(st.integers(1, 40), st.sampled_from((97, 193, 257, 530))),
    keys=st.one_of(st.integers(1, 40), st.sampled_from((77, 127, 128, 129, 257))),
    depth=st.one_of(st.integers(1, 160), st.sampled_from((40, 64, 80, 128, 160, 512))),
    dtype=st.sampled_from(("f32", "f16")),
    hidden=st.sampled_from((None, 0.0, 0.3, 0.95)),
    mask_heads=st.booleans(),
    padding=st.integers(0, 3),
    seed=seeds,
    threads=threads,
)
def test_shapes(
    target: str,
    pictures: int,
    heads: int,
    groups: int,
    queries: int,
    keys: int,
    depth: int,
    dtype: str,
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
        dtype,
        pictures=pictures,
        heads=heads,
        groups=groups,
        queries=queries,
        keys=keys,
        depth=depth,
        mask=mask,
    )
    check(target, sources, depth**-0.5, threads)


@each_target
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_hidden_rows_and_padded_keys(target: str, dtype: str) -> None:
    """Queries for which all keys are masked get zeros, as in ggml; padded keys are ignored."""
    mask = mask_of((1, 1, 70, 256), 1, 0.0)
    mask.memory[..., 200:] = -np.inf  # from the second block of keys on
    mask.memory[:, :, 5:9] = -np.inf
    mask.memory[:, :, 64:, :128] = -np.inf
    sources = sources_of(3, dtype, heads=2, queries=70, keys=256, depth=40, mask=mask)
    check(target, sources, 0.2)
    for tensor in sources[1:3]:
        tensor.memory[:, :, 200:] = 1000
    check(target, sources, 0.2)
    mask.memory[...] = -np.inf
    check(target, sources, 0.2)


@each_target
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_scores_that_grow_from_block_to_block(target: str, dtype: str) -> None:
    """Earlier sums are rescaled whenever a greater score occurs."""
    q, k, v, _ = sources_of(5, dtype, queries=33, keys=600, depth=64)
    k.memory[...] *= np.linspace(0.1, 4, 600)[:, None].astype(k.memory.dtype)
    check(target, (q, k, v, None), 0.5)
    check(target, (q, Tensor(k.memory[:, :, ::-1].copy(), dtype), v, None), 0.5)


@each_target
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_interleaved_heads(target: str, dtype: str) -> None:
    """Queries, keys and values are views of [token, head, depth] memory."""
    q = Tensor(normal(1, 2, 50, 3, 40).transpose(0, 2, 1, 3))
    k, v = (store(normal(i, 2, 77, 3, 40), dtype) for i in (2, 3))
    views = (Tensor(x.memory.transpose(0, 2, 1, 3), dtype) for x in (k, v))
    check(target, (q, *views, None), 0.15)


@each_target
def test_value_size_differs_from_head_size(target: str) -> None:
    check(target, sources_of(1, "f16", queries=20, keys=30, depth=24, value_depth=57), 0.2)


@each_target
def test_threads_change_nothing(target: str) -> None:
    q, k, v, _ = sources_of(1, "f16", heads=3, queries=211, keys=154, depth=40)
    one, *others = (
        compute_supported(target, "flash_attn", q, k, v, numbers=(0.2, 0, 0), threads=n)
        for n in (1, 2, 3, 8)
    )
    for other in others:
        np.testing.assert_array_equal(other, one)


@each_target
@pytest.mark.parametrize("queries", [1, 20])
@pytest.mark.parametrize("which", ["queries", "keys", "values"])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("all_of_it", [False, True])
def test_nan_and_infinity(
    target: str, queries: int, which: str, poison: float, all_of_it: bool
) -> None:
    q, k, v, _ = sources_of(1, "f32", queries=queries, keys=140, depth=16)
    tensor = {"queries": q, "keys": k, "values": v}[which]
    tensor.memory[..., slice(None) if all_of_it else 3] = poison
    found = compute_supported(target, "flash_attn", q, k, v, numbers=(0.2, 0, 0))
    plain = compute("ggml", "flash_attn", q, k, v, numbers=(0.2, 0, 0))
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(plain))


def test_features_of_text_models_are_left_to_ggml() -> None:
    q, k, v, _ = sources_of(1, "f16")
    assert supports("flash_attn", q, k, v, numbers=(1, 0, 0))
    assert not supports("flash_attn", q, k, v, numbers=(1, 0, 30))  # logit softcap
    mask = mask_of((1, 1, 8, 8), 1, 0.0)
    assert supports("flash_attn", q, k, v, mask, numbers=(1, 0, 0))
    assert not supports("flash_attn", q, k, v, mask, numbers=(1, 8, 0))  # ALiBi
    q, k, v, _ = sources_of(1, "q8_0", depth=32)
    assert not supports("flash_attn", q, k, v, numbers=(1, 0, 0))


def test_mask_of_fewer_keys_is_not_read_past_its_end() -> None:
    """The library pads keys to 256 and leaves their mask: it then computes the scores itself."""
    q, k, v, _ = sources_of(1, "f16", keys=256)
    assert supports("flash_attn", q, k, v, mask_of((1, 1, 8, 256), 1, 0.0), numbers=(1, 0, 0))
    assert not supports("flash_attn", q, k, v, mask_of((1, 1, 8, 200), 1, 0.0), numbers=(1, 0, 0))
    assert not supports("flash_attn", q, k, v, mask_of((1, 1, 7, 256), 1, 0.0), numbers=(1, 0, 0))
