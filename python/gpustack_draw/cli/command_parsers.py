"""The options of every command but ``draw``."""

from gpustack_draw.cli.command_line import PROGRAM
from gpustack_draw.cli.parser import Parser

DEBUG_HELP = "show the engine's log, the build's facts, and tracebacks"


def show_parser() -> Parser:
    """Make the parser of ``gpustack-draw show``."""
    parser = Parser(
        prog=f"{PROGRAM} show",
        usage=f"{PROGRAM} show PICTURE [options]",
        description="Print how a picture of gpustack-draw, or of another program, was drawn, as its"
        " file says.",
        epilog=f"for example: {PROGRAM} show cat.png",
    )
    parser.add_argument("picture", nargs="?", metavar="PICTURE", help="a file (.png, .jpg, .webp)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)
    parser.add_version_and_help()
    return parser


def devices_parser() -> Parser:
    """Make the parser of ``gpustack-draw devices``."""
    parser = Parser(
        prog=f"{PROGRAM} devices",
        usage=f"{PROGRAM} devices [options]",
        description="List what can compute on this machine; * marks what is used unless --device"
        " says otherwise.",
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object a device, one a line"
    )
    parser.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)
    parser.add_version_and_help()
    return parser


def models_parser() -> Parser:
    """Make the parser of ``gpustack-draw models``."""
    parser = Parser(
        prog=f"{PROGRAM} models",
        usage=f"{PROGRAM} models [options]",
        description="List what can be drawn with: the model inside the package, those of Hugging"
        " Face that have been fetched, and those that run on a GPUStack server, if one is named by"
        " --server or GPUSTACK_SERVER_URL.",
    )
    parser.add_argument(
        "--server", metavar="URL", help="its address (default: GPUSTACK_SERVER_URL)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object a model, one a line"
    )
    parser.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)
    parser.add_version_and_help()
    return parser


def pull_parser() -> Parser:
    """Make the parser of ``gpustack-draw pull``."""
    parser = Parser(
        prog=f"{PROGRAM} pull",
        usage=f"{PROGRAM} pull MODEL [options]",
        description="Fetch every file that drawing with MODEL needs, draw nothing, and print the"
        " path of its main file. A fetch that was interrupted continues.",
        epilog=f"for example: {PROGRAM} pull hf.co/OWNER/REPO:Q4_0",
    )
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="hf.co/OWNER/REPO[@REVISION][:TAG]"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object with every file instead"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="tell errors only")
    parser.add_argument("-d", "--debug", action="store_true", help="show tracebacks")
    add_parts(parser)
    parser.add_version_and_help()
    return parser


def rm_parser() -> Parser:
    """Make the parser of ``gpustack-draw rm``."""
    parser = Parser(
        prog=f"{PROGRAM} rm",
        usage=f"{PROGRAM} rm MODEL [options]",
        description="Remove a fetched model from this machine, after a question. Parts that other"
        " models may share stay.",
        epilog=f"for example: {PROGRAM} rm hf.co/OWNER/REPO:Q4_0",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help=f"hf.co/OWNER/REPO[@REVISION][:TAG], as '{PROGRAM} models' lists it; TAG may also be"
        " the path of any file in the repository",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object with the removed files"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="tell errors only")
    parser.add_argument("-d", "--debug", action="store_true", help="show tracebacks")
    parser.add_version_and_help()
    return parser


def completion_parser() -> Parser:
    """Make the parser of ``gpustack-draw completion``."""
    parser = Parser(
        prog=f"{PROGRAM} completion",
        usage=f"{PROGRAM} completion SHELL",
        description="Print a script with which a shell completes this command's options, models"
        " and files.",
        epilog=f"for example, in ~/.bashrc: source <({PROGRAM} completion bash)",
    )
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh or fish")
    parser.add_argument("-d", "--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(words=None)
    parser.add_version_and_help()
    return parser


def add_parts(parser: Parser) -> None:
    """Add the options that name a model's components."""
    group = parser.add_argument_group(
        "parts of the model",
        "each a file or an hf.co reference, to be used instead of the one found",
    )
    parts = {
        "--vae": "the image decoder",
        "--clip-l": "the CLIP-L text encoder",
        "--clip-g": "the CLIP-G text encoder",
        "--t5xxl": "the T5-XXL text encoder",
        "--llm": "the language model that reads the prompt",
        "--taesd": "a tiny image decoder, faster and coarser than the VAE",
    }
    for option, what in parts.items():
        group.add_argument(option, metavar="REF", help=what)
