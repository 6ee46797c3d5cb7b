"""The parsers of every command but ``draw``."""

from gpustack_draw.cli.command_line import PROGRAM
from gpustack_draw.cli.parser import Parser

DEBUG_HELP = "print the engine's log, build information and tracebacks"


def show_parser() -> Parser:
    """Return the parser of ``gpustack-draw show``."""
    parser = Parser(
        prog=f"{PROGRAM} show",
        usage=f"{PROGRAM} show PICTURE [options]",
        description="Print the settings that gpustack-draw or another program stored in a picture.",
        epilog=f"for example: {PROGRAM} show cat.png",
    )
    parser.add_argument(
        "picture", nargs="?", metavar="PICTURE", help="picture file (.png, .jpg, .webp)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)
    parser.add_version_and_help()
    return parser


def devices_parser() -> Parser:
    """Return the parser of ``gpustack-draw devices``."""
    parser = Parser(
        prog=f"{PROGRAM} devices",
        usage=f"{PROGRAM} devices [options]",
        description="List the devices of this machine that can draw; * marks the default.",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per device (JSON Lines)"
    )
    parser.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)
    parser.add_version_and_help()
    return parser


def models_parser() -> Parser:
    """Return the parser of ``gpustack-draw models``."""
    parser = Parser(
        prog=f"{PROGRAM} models",
        usage=f"{PROGRAM} models [options]",
        description="List the available models: the one inside the package, those downloaded from"
        " Hugging Face, and, with --server or GPUSTACK_SERVER_URL, those running on a GPUStack"
        " server.",
    )
    parser.add_argument(
        "--server", metavar="URL", help="address of the server (default: GPUSTACK_SERVER_URL)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per model (JSON Lines)"
    )
    parser.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)
    parser.add_version_and_help()
    return parser


def pull_parser() -> Parser:
    """Return the parser of ``gpustack-draw pull``."""
    parser = Parser(
        prog=f"{PROGRAM} pull",
        usage=f"{PROGRAM} pull MODEL [options]",
        description="Download every file that MODEL needs, and print the path of its main file. An"
        " interrupted download is resumed.",
        epilog=f"for example: {PROGRAM} pull hf.co/OWNER/REPO:Q4_0",
    )
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="hf.co/OWNER/REPO[@REVISION][:TAG]"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object that lists every file"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-d", "--debug", action="store_true", help="print tracebacks")
    add_component_options(parser)
    parser.add_version_and_help()
    return parser


def rm_parser() -> Parser:
    """Return the parser of ``gpustack-draw rm``."""
    parser = Parser(
        prog=f"{PROGRAM} rm",
        usage=f"{PROGRAM} rm MODEL [options]",
        description="Remove a downloaded model after confirmation. Components that other models may"
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
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object that lists the removed files"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-d", "--debug", action="store_true", help="print tracebacks")
    parser.add_version_and_help()
    return parser


def completion_parser() -> Parser:
    """Return the parser of ``gpustack-draw completion``."""
    parser = Parser(
        prog=f"{PROGRAM} completion",
        usage=f"{PROGRAM} completion SHELL",
        description="Print a shell script that completes the command's options, models and files.",
        epilog=f"for example, in ~/.bashrc: source <({PROGRAM} completion bash)",
    )
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh or fish")
    parser.add_argument("-d", "--debug", action="store_true", help="print tracebacks")
    parser.set_defaults(words=None)
    parser.add_version_and_help()
    return parser


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
        "--taesd": "TAESD, a tiny image decoder, faster and coarser than the VAE",
    }
    for option, help_text in components.items():
        group.add_argument(option, metavar="REF", help=help_text)
