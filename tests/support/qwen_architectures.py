"""Names and shapes of all tensors of Qwen-Image and of Qwen2.5-VL, which reads for it."""

from architectures import Named, dense

WIDTH = 3584  # of the language model


def qwen_image(width: int = 3072, layers: int = 60, *, kind: str = "Q4_0") -> Named:
    """Return the network of Qwen-Image and of all its editing models."""
    model: Named = {
        **dense("time_text_embed.timestep_embedder.linear_1", 256, width, kind),
        **dense("time_text_embed.timestep_embedder.linear_2", width, width, kind),
        "txt_norm.weight": ((WIDTH,), "F32"),
        **dense("img_in", 64, width, kind),
        **dense("txt_in", WIDTH, width, kind),
        **dense("norm_out.linear", width, 2 * width, kind),
        **dense("proj_out", width, 64, kind),
    }
    matrices = ("to_q", "to_k", "to_v", "to_out.0")
    matrices += ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    for layer in range(layers):
        prefix = f"transformer_blocks.{layer}."
        for name in matrices:
            model |= dense(f"{prefix}attn.{name}", width, width, kind)
        for name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            model[f"{prefix}attn.{name}.weight"] = ((128,), "F32")
        for half in ("img", "txt"):
            model |= dense(f"{prefix}{half}_mod.1", width, 6 * width, kind)
            model |= dense(f"{prefix}{half}_mlp.net.0.proj", width, 4 * width, kind)
            model |= dense(f"{prefix}{half}_mlp.net.2", 4 * width, width, kind)
    return model


def language_model(width: int = WIDTH, layers: int = 28, *, kind: str = "Q4_0") -> Named:
    """Return the language model of Qwen2.5-VL as llama.cpp names its tensors."""
    inner, heads = 18_944 * width // WIDTH // 32 * 32, 512
    model: Named = {
        "token_embd.weight": ((width, 152_064), kind),
        "output_norm.weight": ((width,), "F32"),
        "output.weight": ((width, 152_064), kind),
    }
    for layer in range(layers):
        prefix = f"blk.{layer}."
        model |= dense(f"{prefix}attn_q", width, width, kind)
        model |= dense(f"{prefix}attn_k", width, heads, kind)
        model |= dense(f"{prefix}attn_v", width, heads, kind)
        model[f"{prefix}attn_output.weight"] = ((width, width), kind)
        model[f"{prefix}ffn_gate.weight"] = ((width, inner), kind)
        model[f"{prefix}ffn_up.weight"] = ((width, inner), kind)
        model[f"{prefix}ffn_down.weight"] = ((inner, width), kind)
        model[f"{prefix}attn_norm.weight"] = ((width,), "F32")
        model[f"{prefix}ffn_norm.weight"] = ((width,), "F32")
    return model


def vision_encoder(
    width: int = 1280, layers: int = 32, inner: int = 3420, *, outputs: int = WIDTH
) -> Named:
    """Return the vision encoder of Qwen2.5-VL as llama.cpp names its tensors (mmproj).

    Args:
        width: Width of its blocks.
        layers: Its blocks.
        inner: Width inside their feed-forward parts, which fills no blocks of a quantization.
        outputs: Width of the language model.
    """
    patch = ((14, 14, 3, width), "F16")
    model: Named = {
        "v.patch_embd.weight": patch,
        "v.patch_embd.weight.1": patch,
        "v.post_ln.weight": ((width,), "F32"),
        **dense("mm.0", 4 * width, 4 * width, "Q8_0"),
        **dense("mm.2", 4 * width, outputs, "Q8_0"),
    }
    for layer in range(layers):
        prefix = f"v.blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            model |= dense(f"{prefix}{name}", width, width, "Q8_0")
        model |= dense(f"{prefix}ffn_gate", width, inner, "Q8_0")
        model |= dense(f"{prefix}ffn_up", width, inner, "Q8_0")
        model |= dense(f"{prefix}ffn_down", inner, width, "F16")
        model[f"{prefix}ln1.weight"] = ((width,), "F32")
        model[f"{prefix}ln2.weight"] = ((width,), "F32")
    return model
