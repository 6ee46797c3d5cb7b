"""Options that several commands have."""

import argparse

from gpustack_draw.cli.command_line import PROGRAM
from gpustack_draw.cli.parser import Parser, add_negation
from gpustack_draw.request.names import WEIGHT_TYPES
from gpustack_draw.request.options import MAX_VRAM, THREADS, VAE_TILE_SIZE

_ENGINE_DEBUG_HELP = "print the engine's log, build information and tracebacks"


def add_output_options(
    group: "argparse._ActionsContainer",
    *,
    json: str = "",
    quiet: bool = False,
    debug: str = _ENGINE_DEBUG_HELP,
) -> None:
    """Add the options that several commands share.

    Args:
        group: The parser, or a group of its options.
        json: Help text of ``--json``; empty for a command without it.
        quiet: Add ``--quiet``.
        debug: Help text of ``--debug``.
    """
    if json:
        group.add_argument("--json", action="store_true", help=json)
    if quiet:
        group.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    group.add_argument("-d", "--debug", action="store_true", help=debug)


def add_lora_option(group: "argparse._ArgumentGroup") -> None:
    """Add the option that names a LoRA."""
    group.add_argument(
        "--lora",
        dest="loras",
        action="append",
        metavar="REF[:WEIGHT]",
        help="apply a LoRA: a file or hf.co/OWNER/REPO[@REVISION][:FILE], with a weight of -4 to 4"
        " (default: 1); repeatable",
    )


def add_component_options(parser: Parser) -> None:
    """Add the options that set components of a model."""
    group = parser.add_argument_group(
        "model components",
        "a file or hf.co reference for each, instead of the one found automatically",
    )
    components = {
        "--vae": "VAE, the image decoder",
        "--clip-l": "CLIP-L text encoder",
        "--clip-g": "CLIP-G text encoder",
        "--t5xxl": "T5-XXL text encoder",
        "--llm": "language model used as text encoder",
        "--llm-vision": "vision encoder (mmproj) of the language model, for editing",
        "--taesd": "TAESD, a tiny image decoder, faster and coarser than the VAE; auto stands for"
        " the known one of the model's family",
        "--control-net": "network with which Stable Diffusion 1 and 2 follow --control-image",
    }
    for option, help_text in components.items():
        group.add_argument(option, metavar="REF", help=help_text)


def add_embedding_option(group: "argparse._ActionsContainer") -> None:
    """Add the option that adds embeddings to a model."""
    group.add_argument(
        "--embedding",
        action="append",
        metavar="[NAME=]REF",
        help="embedding (textual inversion) of Stable Diffusion 1 or 2 that its name in a prompt"
        " stands for: a file or hf.co/OWNER/REPO[:FILE]; repeatable (default name: that of the"
        " file)",
    )


def add_device_options(group: "argparse._ActionsContainer", verb: str = "draw") -> None:
    """Add the options that choose where and with how many threads this machine computes.

    Args:
        group: The parser, or a group of its options.
        verb: What it does there.
    """
    group.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help=f"device to {verb} on, as listed by '{PROGRAM} devices' (default: auto, the first"
        " GPU, else the CPU)",
    )
    group.add_argument("--threads", metavar=THREADS.metavar, help=THREADS.help)


def add_memory_options(parser: Parser) -> None:
    """Add the options that make a drawing fit into the memory."""
    group = parser.add_argument_group(
        "memory", "by default, what makes a drawing fit that would not fit otherwise is chosen"
    )
    group.add_argument(
        "--low-memory",
        action="store_true",
        default=None,
        help="draw with as little memory as possible, whatever is free",
    )
    group.add_argument(
        "--vae-tiling",
        metavar="WHEN",
        help="decode and encode pictures in tiles: on, off, or auto for a picture that would not"
        " fit otherwise (default: auto)",
    )
    group.add_argument("--vae-tile-size", metavar="PIXELS", help=VAE_TILE_SIZE.help)
    group.add_argument(
        "--offload-to-cpu",
        action="store_true",
        default=None,
        help="on a GPU, keep the weights in the memory of the machine, and copy those of each"
        " network to the GPU when it runs",
    )
    group.add_argument(
        "--clip-on-cpu",
        action="store_true",
        default=None,
        help="on a GPU, run the text encoders on the CPU",
    )
    group.add_argument(
        "--vae-on-cpu",
        action="store_true",
        default=None,
        help="on a GPU, run the VAE on the CPU",
    )
    flash_attention = group.add_argument(
        "--diffusion-fa",
        action="store_true",
        default=None,
        help="on a GPU, sample with flash attention (default: unless it breaks the pictures of the"
        " model)",
    )
    add_negation(group, "--no-diffusion-fa", flash_attention, help="sample without flash attention")
    group.add_argument("--max-vram", metavar="GIB", help=MAX_VRAM.help)
    group.add_argument(
        "--type",
        dest="weight_type",
        metavar="TYPE",
        help="type that the weights are converted to while they are loaded:"
        f" {', '.join(WEIGHT_TYPES)} (default: those of the file)",
    )
