"""The command line: which options there are. Values stay text; nobody checks them here.

Imports argparse and the lists of names, nothing else: ``--help`` is as fast as Python starts.
"""

import argparse
from collections.abc import Sequence
from itertools import takewhile

from gpustack_draw.cli.command_line import COMMANDS, CommandLine
from gpustack_draw.cli.command_parsers import (
    completion_parser,
    devices_parser,
    models_parser,
    pull_parser,
    rm_parser,
    show_parser,
    upscale_parser,
)
from gpustack_draw.cli.draw_parser import draw_parser
from gpustack_draw.cli.parser import Parser
from gpustack_draw.cli.serve_parser import serve_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpustack_draw.cli.config.apply import UsedConfig

SWITCHES = ("--json", "-q", "--quiet", "-d", "--debug")  # say how to answer, whatever the command


class Arguments(argparse.Namespace):
    """The arguments as typed text; ``None`` for those left out.

    Attributes:
        command: One of :data:`gpustack_draw.cli.command_line.COMMANDS`.
        model: ``None`` where ``--from`` names a picture that names the model.
        prompt: ``None`` where ``--from`` names a picture that has the prompt, or ``--prompts`` a
            list.
        picture: The file that ``show`` describes.
        pictures: The files that ``upscale`` enlarges.
        models: The models that ``serve`` serves.
        shell: The shell that ``completion`` prints a script for.
        words: The words of a command line whose last one ``completion`` completes.
        info: The file that ``models --info`` describes.
        used_config: The configuration file; ``None`` if there is none.
    """

    command: str
    model: str | None
    prompt: str | None
    prompts: str | None
    picture: str
    pictures: list[str]
    models: list[str]
    alias: list[str] | None
    host: str | None
    port: str | None
    api_key: str | None
    no_auth: bool
    allowed_host: list[str] | None
    allowed_origin: list[str] | None
    queue: str | None
    max_size: str | None
    request_timeout: str | None
    keep_loaded: str | None
    allow_fetch: bool
    upscaler: list[str] | None
    gpustack_backend: str | None
    scale: str | None
    upscale: str | None
    shell: str
    words: list[str] | None
    config: str | None
    used_config: "UsedConfig | None" = None
    info: str | None
    known: bool
    from_picture: str | None
    image: list[str] | None
    ref_image: list[str] | None
    control_image: str | None
    control_strength: str | None
    canny: bool
    strength: str | None
    mask: str | None
    mask_invert: bool
    mask_blur: str | None
    masked_only: str | None
    expand: str | None
    fit: str | None
    loras: list[str] | None
    lora_dir: str | None
    embedding: list[str] | None
    seed: str | None
    hires: str | bool | None
    hires_upscaler: str | None
    hires_steps: str | None
    hires_strength: str | None
    count: str | None
    output: str | None
    grid: str | None
    show: bool
    preview: bool
    low_memory: bool | None
    vae_tiling: str | None
    vae_tile_size: str | None
    offload_to_cpu: bool | None
    clip_on_cpu: bool | None
    vae_on_cpu: bool | None
    diffusion_fa: bool | None
    max_vram: str | None
    weight_type: str | None
    device: str
    threads: str | None
    on: str
    server: str | None
    timeout: str | None
    dry_run: bool
    yes: bool
    json: bool
    quiet: bool
    debug: bool


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read a command line.

    Args:
        argv: The arguments, without the program's name. A command comes first, or after switches
            such as ``--json``; without one they are those of ``draw``. ``help [COMMAND]`` and
            ``version`` are answered like the options of those names.

    Raises:
        UsageError: An option does not exist or lacks its value, an argument is missing or too many.
        SystemExit: ``--help`` or ``--version`` has been answered.
        OSError: The answer could not be written.
    """
    command, rest = "draw", list(argv)
    switches = len(list(takewhile(SWITCHES.__contains__, argv)))
    word, *following = rest[switches:] or [""]
    if word in ("-h", "--help", "help"):
        command = following[0] if following and following[0] in COMMANDS else "draw"
        rest = ["--help"]
    elif word == "version":
        rest = ["--version"]
    elif word in COMMANDS:
        command = rest.pop(switches)
    if command == "completion" and rest[:1] == ["--words"]:  # of a shell, to be completed
        return Arguments(command=command, words=rest[1:], debug=False)
    parser, arguments = PARSERS[command](), Arguments(command=command)
    typed = parser.parse_options(rest, arguments)
    if hasattr(arguments, "config"):
        _read_config(parser, typed, arguments)
    return parser.assign_words(typed, arguments)


def _read_config(parser: Parser, typed: CommandLine, arguments: Arguments) -> None:
    from gpustack_draw.cli.config.file import find_config

    if path := find_config(arguments.config):
        from gpustack_draw.cli.config.apply import apply_config

        apply_config(path, parser, PARSERS, typed, arguments)


PARSERS = {
    "draw": draw_parser,
    "upscale": upscale_parser,
    "serve": serve_parser,
    "show": show_parser,
    "devices": devices_parser,
    "models": models_parser,
    "pull": pull_parser,
    "rm": rm_parser,
    "completion": completion_parser,
}
