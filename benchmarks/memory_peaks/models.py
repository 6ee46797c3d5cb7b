"""Models of published sizes whose weights are holes in sparse files, so that they need no disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

import architectures
from architectures import Named
from model_files import prefixed, write_sparse_gguf

_DIFFUSION = "model.diffusion_model."
_VAE = prefixed("first_stage_model.", architectures.vae())
_SD_VAE = prefixed("first_stage_model.", architectures.vae(latent=4, quant=True))
_QWEN_WORDS = 151_936


@dataclass(frozen=True)
class SparseModel:
    """A model of the benchmark.

    Attributes:
        reference: Reference of the model.
        components: Files of its components, by name.
    """

    reference: str
    components: dict[str, str] = field(default_factory=dict)


MODELS = ("demo", "sd15", "sdxl", "sd3", "flux1", "klein")


def write_model(name: str, folder: Path) -> SparseModel:
    """Write the files of a model.

    Networks of transformers have two blocks: their buffers do not depend on the number of blocks.

    Args:
        name: One of :data:`MODELS`.
        folder: Folder of the files.
    """
    if name == "demo":
        return SparseModel("demo")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.gguf"
    if name != "klein":
        return SparseModel(str(write_sparse_gguf(path, _all_in_one(name))))
    network = architectures.klein(3072, 2, 2, context=7680, weight_type="Q4_0")
    llm, vae = folder / "qwen3-4b.gguf", folder / "flux2-vae.gguf"
    write_sparse_gguf(llm, _qwen3(2560, 36, 9728))
    write_sparse_gguf(vae, architectures.vae(latent=32, quant=True))
    return SparseModel(str(write_sparse_gguf(path, network)), {"llm": str(llm), "vae": str(vae)})


def _all_in_one(name: str) -> Named:
    clip, second = "cond_stage_model.transformer.", "cond_stage_model.1.transformer."
    if name == "sd15":
        network = prefixed(_DIFFUSION, architectures.sd1_unet())
        return network | prefixed(clip, architectures.CLIP_L) | _SD_VAE
    if name == "sdxl":
        network = prefixed(_DIFFUSION, architectures.sdxl_unet())
        encoders = prefixed(clip, architectures.CLIP_L) | prefixed(second, architectures.CLIP_G)
        return network | encoders | _SD_VAE
    encoders = prefixed("text_encoders.clip_l.transformer.", architectures.CLIP_L)
    encoders |= prefixed("text_encoders.t5xxl.transformer.", architectures.T5_XXL)
    if name == "sd3":
        encoders |= prefixed("text_encoders.clip_g.transformer.", architectures.CLIP_G)
        return prefixed(_DIFFUSION, architectures.sd3(24)) | encoders | _VAE
    return prefixed(_DIFFUSION, architectures.flux1(3072, 2, 2)) | encoders | _VAE


def _qwen3(width: int, layers: int, inner: int) -> Named:
    """Return a language model with 32 heads for queries and 8 for keys, of 128 channels each."""
    model: Named = {
        "token_embd.weight": ((width, _QWEN_WORDS), "Q4_0"),
        "output_norm.weight": ((width,), "F32"),
    }
    matrices = {
        "attn_q": (width, 32 * 128),
        "attn_k": (width, 8 * 128),
        "attn_v": (width, 8 * 128),
        "attn_output": (32 * 128, width),
        "ffn_gate": (width, inner),
        "ffn_up": (width, inner),
        "ffn_down": (inner, width),
    }
    vectors = {"attn_norm": width, "ffn_norm": width, "attn_q_norm": 128, "attn_k_norm": 128}
    for layer in range(layers):
        for title, shape in matrices.items():
            model[f"blk.{layer}.{title}.weight"] = (shape, "Q4_0")
        for title, count in vectors.items():
            model[f"blk.{layer}.{title}.weight"] = ((count,), "F32")
    return model
