"""The types of additions to a model, and the names of their files."""

from dataclasses import dataclass

_CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin")


@dataclass(frozen=True)
class Addition:
    """A type of addition, and the names of its files.

    Attributes:
        title: Its noun with the article, for messages.
        usual_names: Names of the file, in the repository's top folder, that an address without a
            tag stands for.
        endings: Endings of its files, preferred ones first.
    """

    title: str
    usual_names: tuple[str, ...]
    endings: tuple[str, ...]


LORA = Addition(
    "a LoRA",
    ("pytorch_lora_weights.safetensors",),
    (".safetensors", *_CHECKPOINTS, ".gguf"),
)
CONTROL_NET = Addition(
    "a ControlNet",
    ("diffusion_pytorch_model.safetensors",),
    (".safetensors", *_CHECKPOINTS, ".gguf"),
)
UPSCALER = Addition("an upscaling model", (), (".safetensors", *_CHECKPOINTS, ".gguf"))
ANY_WEIGHTS = Addition(
    "a file of weights", LORA.usual_names + CONTROL_NET.usual_names, LORA.endings
)
EMBEDDING = Addition(
    "an embedding",
    ("learned_embeds.safetensors", "learned_embeds.bin"),
    (".safetensors", *_CHECKPOINTS),
)
