"""Families that are recognized, so that a message can name them, and that the engine lacks."""

from gpustack_draw.resolver.families.family import Defaults, Family


def _unsupported(
    name: str, title: str, *evidence: str, evidence_side: int = 0, architecture: str = ""
) -> Family:
    return Family(
        name=name,
        title=title,
        defaults=Defaults(20, 1.0),
        evidence=evidence,
        evidence_side=evidence_side,
        architecture=architecture,
        why_not="the engine does not know it",
    )


FAMILIES = (
    _unsupported(
        "hunyuan",
        "HunyuanVideo or HunyuanImage",
        "txt_in.individual_token_refiner.",
        architecture="hyvid",
    ),
    _unsupported("ltx-video", "LTX-Video", "patchify_proj.weight", architecture="ltxv"),
    _unsupported("auraflow", "AuraFlow", "cond_seq_linear.weight", architecture="aura"),
    _unsupported("hidream", "HiDream", "double_stream_blocks.", architecture="hidream"),
    _unsupported(
        "lumina-2",
        "Lumina 2",
        "cap_embedder.0.weight",  # as in Z-Image, where its width is 2560
        evidence_side=2304,
        architecture="lumina2",
    ),
    _unsupported("cosmos", "Cosmos", architecture="cosmos"),
)
