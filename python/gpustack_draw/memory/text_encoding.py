"""Memory of the text encoders, which depends on the length of the prompt but not on the picture.

The numbers are those of the engine's buffers for a prompt of one piece, for example
"t5 compute buffer size: 68.25 MB".
"""

from collections.abc import Iterator

from gpustack_draw.memory.work import Work

_CLIP_BYTES = 2_500_000
# T5-XXL with 77 tokens for Stable Diffusion 3, 256 for FLUX.1, and 512 for others: bytes per pair
# of tokens in 64 heads, to which Wan's adds positions in every layer; and per token.
_T5_PAIR_BYTES = 64 * 12
_LONG_T5_PAIR_BYTES = 64 * 16
_T5_TOKEN_BYTES = 105_000
# A language model reads 512 tokens, with heads of 128 channels.
_LLM_TOKENS = 512
_LLM_HEAD = 128
# One with 24 billion weights, the largest of any family.
_UNKNOWN_LLM_BYTES = 178_000_000
# What the engine keeps (cpp/engine/kept_conditions.h), and the numbers of a prompt: those of both
# encoders of Stable Diffusion XL, and of T5-XXL, at most.
_MOST_KEPT = 4
_MOST_KEPT_BYTES = 64 * 2**20
_CLIP_NUMBERS = 77 * 2048
_T5_TOKENS = 512
_T5_WIDTH = 4096
_INNER = ("ffn_gate.weight", "mlp.gate_proj.weight")
_QUERIES = ("attn_q.weight", "self_attn.q_proj.weight")
_WORDS = ("token_embd.weight", "embed_tokens.weight")


def text_bytes(work: Work) -> int:
    """Return the bytes of encoding the prompt beside the weights.

    Args:
        work: The drawing.
    """
    family = work.model.family
    if "llm" in family.requires:
        return _llm_bytes(work)
    if family.unet:
        return _CLIP_BYTES
    if "clip_l" not in family.requires:
        return _t5_bytes(512, _LONG_T5_PAIR_BYTES)
    return _t5_bytes(77 if "clip_g" in family.requires else 256, _T5_PAIR_BYTES)


def kept_bytes(work: Work) -> int:
    """Return the bytes of the prompts that the engine keeps encoded for later drawings, at most.

    Args:
        work: The drawing.
    """
    family = work.model.family
    if "llm" in family.requires:
        words = dict(_shapes(work)).get("words")
        numbers = 0 if words is None else _LLM_TOKENS * words[0] * family.llm_layers
    elif family.unet:
        numbers = _CLIP_NUMBERS
    else:
        numbers = _T5_TOKENS * _T5_WIDTH
    return min(_MOST_KEPT_BYTES, 4 * _MOST_KEPT * numbers or _MOST_KEPT_BYTES)


def _t5_bytes(tokens: int, pair: int) -> int:
    return tokens**2 * pair + tokens * _T5_TOKEN_BYTES


def _llm_bytes(work: Work) -> int:
    """Return the bytes of the scores and the feed-forward part of a layer of a language model."""
    shapes = dict(_shapes(work))
    if "words" not in shapes:
        return _UNKNOWN_LLM_BYTES
    width, inner = shapes["words"][0], shapes.get("inner", (0, 0))[1]
    heads = shapes.get("queries", (0, 0))[1] // _LLM_HEAD
    return 4 * _LLM_TOKENS * (_LLM_TOKENS * heads + 2 * inner + 2 * width)


def _shapes(work: Work) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the shapes of matrices of the language model, those of its last layer last."""
    endings = (("words", _WORDS), ("inner", _INNER), ("queries", _QUERIES))
    for component, tensor in work.model.tensors:
        for title, names in endings if component == "llm" else ():
            if tensor.name.endswith(names) and len(tensor.shape) == 2:
                yield title, tensor.shape
