"""The parsers of every command but ``draw`` and ``serve``."""

from gpustack_draw.cli.command_line import PROGRAM
from gpustack_draw.cli.parser import Parser
from gpustack_draw.cli.shared_options import (
    add_component_options,
    add_device_options,
    add_lora_option,
    add_output_options,
)
from gpustack_draw.request.options import SCALE


def show_parser() -> Parser:
    """Return the parser of ``gpustack-draw show``."""
    parser = command_parser(
        "show",
        "PICTURE [options]",
        "Print the settings that gpustack-draw or another program stored in a picture.",
        epilog=f"for example: {PROGRAM} show cat.png",
    )
    parser.add_argument(
        "picture", nargs="?", metavar="PICTURE", help="picture file (.png, .jpg, .webp)"
    )
    add_output_options(parser, json="print one JSON object")
    parser.add_version_and_help()
    return parser


def upscale_parser() -> Parser:
    """Return the parser of ``gpustack-draw upscale``."""
    parser = command_parser(
        "upscale",
        "MODEL PICTURE... [options]",
        "Enlarge pictures with an upscaling model (ESRGAN) on this machine, and print the paths of"
        " the saved files. Parameters that are stored in the pictures are kept.",
        epilog=f"for example: {PROGRAM} upscale RealESRGAN_x4plus.pth cat.png",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="upscaling model: a file (.pth, .safetensors, .gguf), or"
        " hf.co/OWNER/REPO[@REVISION][:FILE], downloaded when missing",
    )
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PICTURE",
        help="pictures to enlarge: files, or - for standard input",
    )
    parser.add_argument("--scale", metavar=SCALE.metavar, help=SCALE.help)
    parser.add_argument(
        "--output",
        metavar="PATH",
        help="output file (.png, .jpg, .webp), overwritten if it exists, numbered for several"
        " pictures; a folder; or - for standard output (default: a new file in the current folder"
        " named after the picture and the scale, such as cat-4x.png)",
    )
    add_device_options(parser, "compute")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the sizes, memory and device that would be used, and exit",
    )
    add_output_options(
        parser,
        json="print one JSON object per picture (JSON Lines) instead of its path",
        quiet=True,
    )
    parser.add_version_and_help(config=True)
    return parser


def devices_parser() -> Parser:
    """Return the parser of ``gpustack-draw devices``."""
    parser = command_parser(
        "devices",
        "[options]",
        "List the devices of this machine that can draw; * marks the default.",
    )
    add_output_options(parser, json="print one JSON object per device (JSON Lines)")
    parser.add_version_and_help()
    return parser


def models_parser() -> Parser:
    """Return the parser of ``gpustack-draw models``."""
    parser = command_parser(
        "models",
        "[options]",
        "List the available models: the one inside the package, those downloaded from"
        " Hugging Face, and, with --server or GPUSTACK_SERVER_URL, those running on a GPUStack"
        " server. With --known, list the short names of models; with --info, describe one file.",
        epilog=f"for example: {PROGRAM} models --info style.safetensors",
    )
    parser.add_argument(
        "--info",
        metavar="REF",
        help="describe a model, a LoRA or another file of weights: a path or"
        " hf.co/OWNER/REPO[:FILE]; reads only the header",
    )
    parser.add_argument(
        "--known",
        action="store_true",
        help="list models of Hugging Face that have a short name, which MODEL can be",
    )
    parser.add_argument(
        "--server", metavar="URL", help="address of the server (default: GPUSTACK_SERVER_URL)"
    )
    add_output_options(parser, json="print one JSON object per model (JSON Lines), or of the file")
    parser.add_version_and_help(config=True)
    return parser


def pull_parser() -> Parser:
    """Return the parser of ``gpustack-draw pull``."""
    parser = command_parser(
        "pull",
        "MODEL [options]",
        "Download every file that MODEL needs, and print the path of its main file. An"
        " interrupted download is resumed.",
        epilog=f"for example: {PROGRAM} pull hf.co/OWNER/REPO:Q4_0",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="hf.co/OWNER/REPO[@REVISION][:TAG], or a short name",
    )
    add_output_options(
        parser,
        json="print one JSON object that lists every file",
        quiet=True,
        debug="print tracebacks",
    )
    add_component_options(parser)
    add_lora_option(parser.add_argument_group("additions to the model"))
    parser.add_version_and_help()
    return parser


def rm_parser() -> Parser:
    """Return the parser of ``gpustack-draw rm``."""
    parser = command_parser(
        "rm",
        "MODEL [options]",
        "Remove a downloaded model after confirmation. Components that other models may"
        " share are kept.",
        epilog=f"for example: {PROGRAM} rm hf.co/OWNER/REPO:Q4_0",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help=f"hf.co/OWNER/REPO[@REVISION][:TAG], as listed by '{PROGRAM} models'; TAG may also be"
        " the path of any file in the repository",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    add_output_options(
        parser,
        json="print one JSON object that lists the removed files",
        quiet=True,
        debug="print tracebacks",
    )
    parser.add_version_and_help()
    return parser


def completion_parser() -> Parser:
    """Return the parser of ``gpustack-draw completion``."""
    parser = command_parser(
        "completion",
        "SHELL",
        "Print a shell script that completes the command's options, models and files.",
        epilog=f"for example, in ~/.bashrc: source <({PROGRAM} completion bash)",
    )
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh or fish")
    add_output_options(parser, debug="print tracebacks")
    parser.set_defaults(words=None)
    parser.add_version_and_help()
    return parser


def command_parser(name: str, usage: str, description: str, *, epilog: str | None = None) -> Parser:
    """Return a parser without options.

    Args:
        name: Name of the command.
        usage: Its arguments.
        description: What it does.
        epilog: An example.
    """
    return Parser(
        prog=f"{PROGRAM} {name}",
        usage=f"{PROGRAM} {name} {usage}",
        description=description,
        epilog=epilog,
    )
