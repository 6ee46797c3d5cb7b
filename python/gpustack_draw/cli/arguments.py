"""The command line: which options there are. Values stay text; nobody checks them here.

Imports argparse and the lists of names, nothing else: ``--help`` is as fast as Python starts.
"""

import argparse
from collections.abc import Sequence
from itertools import takewhile

from gpustack_draw.cli.command_line import COMMANDS, PROGRAM
from gpustack_draw.cli.command_parsers import (
    add_component_options,
    add_embedding_option,
    add_lora_option,
    add_output_options,
    completion_parser,
    devices_parser,
    models_parser,
    pull_parser,
    rm_parser,
    show_parser,
    upscale_parser,
)
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.cli.parser import Parser
from gpustack_draw.request.names import HIRES_UPSCALERS, SAMPLERS, SCHEDULERS
from gpustack_draw.request.option_types import Option
from gpustack_draw.request.options import (
    CONTROL_STRENGTH,
    COUNT,
    HIRES,
    HIRES_STEPS,
    HIRES_STRENGTH,
    MASK_BLUR,
    SAMPLING_OPTIONS,
    SEED,
    STRENGTH,
    THREADS,
)
from gpustack_draw.request.picture_values import DEFAULT_FIT, DEFAULT_PADDING, FITS

SWITCHES = ("--json", "-q", "--quiet", "-d", "--debug")  # say how to answer, whatever the command


class Arguments(argparse.Namespace):
    """The arguments as typed text; ``None`` for those left out.

    Attributes:
        command: One of :data:`gpustack_draw.cli.command_line.COMMANDS`.
        model: ``None`` where ``--from`` names a picture that names the model.
        prompt: ``None`` where ``--from`` names a picture that has the prompt.
        picture: The file that ``show`` describes.
        pictures: The files that ``upscale`` enlarges.
        shell: The shell that ``completion`` prints a script for.
        words: The words of a command line whose last one ``completion`` completes.
        info: The file that ``models --info`` describes.
    """

    command: str
    model: str | None
    prompt: str | None
    picture: str
    pictures: list[str]
    scale: str | None
    upscale: str | None
    shell: str
    words: list[str] | None
    info: str | None
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
    hires: str | None
    hires_upscaler: str | None
    hires_steps: str | None
    hires_strength: str | None
    output: str | None
    show: bool
    preview: bool
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
    return PARSERS[command]().parse_typed(rest, Arguments(command=command))


def draw_parser() -> Parser:
    """Return the parser of ``gpustack-draw [draw]``; the man page is generated from it, too."""
    parser = Parser(
        usage=f"{PROGRAM} [draw] MODEL PROMPT [options]\n"
        f"       {PROGRAM} [draw] [MODEL [PROMPT]] --from PICTURE [options]\n"
        f"       {PROGRAM} upscale MODEL PICTURE... [options]\n"
        f"       {PROGRAM} show PICTURE [--json]\n"
        f"       {PROGRAM} devices [--json]\n"
        f"       {PROGRAM} models [--info REF] [--json]\n"
        f"       {PROGRAM} pull MODEL [options]\n"
        f"       {PROGRAM} rm MODEL [--yes]\n"
        f"       {PROGRAM} completion SHELL",
        description="Draw a picture of PROMPT with the model MODEL, or change the picture of"
        " --image, and print the path of the saved file. 'upscale' enlarges pictures, 'show' prints"
        " how a picture was drawn,"
        " 'devices' lists the devices of this machine, 'models' lists the available models, 'pull'"
        " downloads a model, 'rm' removes one, and 'completion' prints a shell completion script.",
        epilog=f'for example: {PROGRAM} demo "a red circle"',
    )
    _add_input(parser)
    _add_input_pictures(parser.add_argument_group("input pictures"))
    _add_picture(parser.add_argument_group("picture"))
    _add_sampling(parser.add_argument_group("sampling"))
    _add_second_pass(parser.add_argument_group("second pass"))
    _add_output(parser.add_argument_group("output"))
    _add_device(parser.add_argument_group("device"))
    _add_server(parser.add_argument_group("GPUStack server"))
    add_component_options(parser)
    _add_additions(parser.add_argument_group("additions to the model"))
    parser.add_version_and_help()
    return parser


PARSERS = {
    "draw": draw_parser,
    "upscale": upscale_parser,
    "show": show_parser,
    "devices": devices_parser,
    "models": models_parser,
    "pull": pull_parser,
    "rm": rm_parser,
    "completion": completion_parser,
}


def _add_input(parser: Parser) -> None:
    group = parser.add_argument_group("input")
    group.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="'demo', the small model inside the package; hf.co/OWNER/REPO[@REVISION][:TAG], a"
        " GGUF model on Hugging Face, downloaded when missing, where TAG is a quantization"
        " (default: Q4_0) or a file name; a local model file (.gguf, .safetensors, .ckpt) or"
        " folder; or the name of a model on a GPUStack server",
    )
    group.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="text in quotes, up to 10000 characters; put -- before one that starts with a dash",
    )
    group.add_argument(
        "--from",
        dest="from_picture",
        metavar="PICTURE",
        help="reuse the settings stored in a picture by gpustack-draw or another program;"
        " MODEL, PROMPT and options override them",
    )


def _add_input_pictures(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "-i",
        "--image",
        action="append",
        metavar="PICTURE",
        help="picture to change: a file, or - for standard input; a model that was trained to edit"
        " looks at it, all others start from it; repeatable for models that edit several pictures",
    )
    group.add_argument(
        "-r",
        "--ref-image",
        action="append",
        metavar="PICTURE",
        help="picture that the model looks at, for models trained with such pictures; repeatable",
    )
    _add_control(group)
    _add_option(group, STRENGTH)
    group.add_argument(
        "--mask",
        metavar="PICTURE",
        help="picture of the area to redraw: white is redrawn, black is kept, and of a picture with"
        " transparency the opaque area is redrawn; or alpha to redraw the transparent area of the"
        " picture of --image",
    )
    group.add_argument(
        "--mask-invert", action="store_true", help="redraw the other area of the mask"
    )
    _add_option(group, MASK_BLUR)
    group.add_argument(
        "--masked-only",
        nargs="?",
        const=str(DEFAULT_PADDING),
        metavar="PADDING",
        help="draw the masked area alone, with this many pixels around it, at the size that the"
        f" model was trained for, and paste it in (default: {DEFAULT_PADDING})",
    )
    group.add_argument(
        "--expand",
        metavar="T,R,B,L",
        help="pixels to add at the top, right, bottom and left of the picture and to draw; one"
        " number for all sides",
    )
    group.add_argument(
        "--fit",
        metavar="HOW",
        help=f"how a picture of another shape is fitted to --size: {', '.join(FITS)} (default:"
        f" {DEFAULT_FIT})",
    )


def _add_control(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--control-image",
        metavar="PICTURE",
        help="picture whose edges, depth or poses the drawing follows, with a ControlNet (see"
        " --control-net) or a model that was trained for it",
    )
    _add_option(group, CONTROL_STRENGTH)
    group.add_argument(
        "--canny",
        action="store_true",
        help="follow the edges of the picture of --control-image, found with Canny's method",
    )


def _add_picture(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--size",
        metavar="WIDTHxHEIGHT",
        help="size in pixels, each side 1 to 8192, rounded up to what the model supports, or native"
        " for the size it was trained for (default: that of the input picture, else 512x512; demo:"
        " native)",
    )
    group.add_argument(
        "--negative-prompt",
        metavar="TEXT",
        help="text to avoid; has no effect with --cfg-scale 1 (default: none)",
    )
    _add_option(group, SEED)
    _add_option(group, COUNT)


def _add_option(group: "argparse._ArgumentGroup", option: Option) -> None:
    group.add_argument(option_of(option.name), metavar=option.metavar, help=option.help)


def _add_sampling(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--sampler",
        metavar="NAME",
        help=f"sampling method: {', '.join(SAMPLERS)}, or its name in a web UI or ComfyUI"
        " (default: euler)",
    )
    group.add_argument(
        "--scheduler",
        metavar="NAME",
        help=f"noise schedule: {', '.join(SCHEDULERS)} (default: the model's)",
    )
    for option in SAMPLING_OPTIONS:
        _add_option(group, option)


def _add_second_pass(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--hires", nargs="?", const="2", metavar="SCALE", help=HIRES.help)
    group.add_argument(
        "--hires-upscaler",
        metavar="NAME|REF",
        help=f"how the picture is enlarged: {', '.join(HIRES_UPSCALERS)}; those named latent"
        " enlarge the latent instead of the pixels; or an upscaling model as for --upscale"
        " (default: lanczos)",
    )
    _add_option(group, HIRES_STEPS)
    _add_option(group, HIRES_STRENGTH)


def _add_output(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--output",
        metavar="PATH",
        help="output file (.png, .jpg, .webp), overwritten if it exists, numbered with --count"
        " (cat-1.png, ...); a folder; or - for standard output (default: a new file named"
        " after the prompt and the time)",
    )
    group.add_argument(
        "--upscale",
        metavar="REF",
        help="upscaling model that enlarges each drawn picture: a file (.pth, .safetensors, .gguf),"
        " or hf.co/OWNER/REPO[@REVISION][:FILE]",
    )
    group.add_argument(
        "--show",
        action="store_true",
        help="show the picture in the terminal (kitty, Ghostty, iTerm2, WezTerm, or any with"
        " sixels), else in the default viewer; without a display, draw it with colored half"
        " blocks",
    )
    group.add_argument(
        "--preview",
        action="store_true",
        help="show intermediate pictures in a terminal with at least 256 colors",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="print the files, settings, memory and device that would be used, and exit",
    )
    add_output_options(
        group, json="print one JSON object per picture (JSON Lines) instead of its path", quiet=True
    )


def _add_device(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help=f"device to draw on, as listed by '{PROGRAM} devices' (default: auto, the first GPU,"
        " else the CPU)",
    )
    _add_option(group, THREADS)


def _add_additions(group: "argparse._ArgumentGroup") -> None:
    add_lora_option(group)
    group.add_argument(
        "--lora-dir",
        metavar="FOLDER",
        help="folder of the LoRAs that <lora:NAME:WEIGHT> in the prompt names (default:"
        " GPUSTACK_DRAW_LORA_DIR)",
    )
    add_embedding_option(group)


def _add_server(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--on",
        metavar="PLACE",
        default="auto",
        help="where to draw: local, server (deploys an hf.co model first), or auto (server for a"
        " model of the server, else local) (default: auto)",
    )
    group.add_argument(
        "--server",
        metavar="URL",
        help="address of the server (default: GPUSTACK_SERVER_URL, else http://127.0.0.1); the API"
        " key is read from GPUSTACK_API_KEY",
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="seconds to wait for a picture, or for a deployment without progress (default: 1800"
        " and 300)",
    )
