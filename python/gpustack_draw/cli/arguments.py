"""The command line: which options there are. Values stay text; nobody checks them here.

Imports argparse and the lists of names, nothing else: ``--help`` is as fast as Python starts.
"""

import argparse
from collections.abc import Sequence
from itertools import takewhile

from gpustack_draw.cli.command_line import COMMANDS, PROGRAM
from gpustack_draw.cli.command_parsers import (
    DEBUG_HELP,
    add_parts,
    completion_parser,
    devices_parser,
    models_parser,
    pull_parser,
    rm_parser,
    show_parser,
)
from gpustack_draw.cli.parser import Parser
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS

SWITCHES = ("--json", "-q", "--quiet", "-d", "--debug")  # say how to answer, whatever the command


class Arguments(argparse.Namespace):
    """What was typed, as text; ``None`` where nothing was.

    Attributes:
        command: One of :data:`gpustack_draw.cli.command_line.COMMANDS`.
        model: With ``--from``, ``None`` until it is filled in; likewise the next.
        prompt: What to draw.
        picture: What ``show`` tells about.
        shell: What ``completion`` is for.
        words: What a shell asks ``completion`` to complete the last of.
    """

    command: str
    model: str | None
    prompt: str | None
    picture: str
    shell: str
    words: list[str] | None
    from_picture: str | None
    size: str | None
    negative_prompt: str | None
    seed: str | None
    count: str
    sampler: str | None
    scheduler: str | None
    sample_steps: str | None
    cfg_scale: str | None
    output: str | None
    show: bool
    preview: bool
    vae: str | None
    clip_l: str | None
    clip_g: str | None
    t5xxl: str | None
    llm: str | None
    taesd: str | None
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
    """Make the parser of ``gpustack-draw [draw]``; the man page is made from it too."""
    parser = Parser(
        usage=f"{PROGRAM} [draw] MODEL PROMPT [options]\n"
        f"       {PROGRAM} [draw] [MODEL [PROMPT]] --from PICTURE [options]\n"
        f"       {PROGRAM} show PICTURE [--json]\n"
        f"       {PROGRAM} devices [--json]\n"
        f"       {PROGRAM} models [--json]\n"
        f"       {PROGRAM} pull MODEL [options]\n"
        f"       {PROGRAM} rm MODEL [--yes]\n"
        f"       {PROGRAM} completion SHELL",
        description="Draw the picture that PROMPT describes with the text-to-image model MODEL,"
        " and print the path of the saved file. 'show' tells how a picture was drawn, 'devices'"
        " lists what can compute here, 'models' what can be drawn with; 'pull' fetches a model,"
        " 'rm' removes it; 'completion' prints a completion script for a shell.",
        epilog=f'for example: {PROGRAM} demo "a red circle"',
    )
    _add_what(parser)
    _add_picture(parser.add_argument_group("the picture"))
    _add_sampling(parser.add_argument_group("how it is drawn"))
    _add_output(parser.add_argument_group("where it goes, and what is told"))
    _add_machine(parser.add_argument_group("this machine"))
    _add_server(parser.add_argument_group("a GPUStack server"))
    add_parts(parser)
    parser.add_version_and_help()
    return parser


PARSERS = {
    "draw": draw_parser,
    "show": show_parser,
    "devices": devices_parser,
    "models": models_parser,
    "pull": pull_parser,
    "rm": rm_parser,
    "completion": completion_parser,
}


def _add_what(parser: Parser) -> None:
    what = parser.add_argument_group("what to draw")
    what.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="'demo', the small model inside the package; hf.co/OWNER/REPO[@REVISION][:TAG], a"
        " GGUF model on Hugging Face, where TAG is a quantisation (default: Q4_0) or a file name"
        " and what is missing here is fetched; a model file (.gguf, .safetensors, .ckpt) or folder"
        " on this machine; or else the name of a model on a GPUStack server",
    )
    what.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="text in quotes, at most 10000 characters; -- goes before one that starts with a dash",
    )
    what.add_argument(
        "--from",
        dest="from_picture",
        metavar="PICTURE",
        help="draw again as a picture of gpustack-draw, or of another program, was drawn;"
        " what else is typed, MODEL and PROMPT included, takes the place of what its file holds",
    )


def _add_picture(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--size",
        metavar="WIDTHxHEIGHT",
        help="in pixels, 1 to 8192 each, rounded up to what the model needs (default: 512x512,"
        " demo: what it was trained for)",
    )
    group.add_argument(
        "--negative-prompt",
        metavar="TEXT",
        help="what to avoid; has no effect with --cfg-scale 1 (default: nothing)",
    )
    group.add_argument(
        "--seed",
        metavar="N",
        help="0 to 9223372036854775807: the same seed gives the same picture; -1 is a random one"
        " (default: random, and shown)",
    )
    group.add_argument(
        "--count",
        metavar="N",
        default="1",
        help="number of pictures, 1 to 10000, their seeds counting up (default: 1)",
    )


def _add_sampling(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--sampler",
        metavar="NAME",
        help=f"{', '.join(SAMPLERS)}; the names of web UIs and ComfyUI are accepted, too (default:"
        " euler)",
    )
    group.add_argument(
        "--scheduler",
        metavar="NAME",
        help=f"how the noise falls from step to step: {', '.join(SCHEDULERS)}"
        " (default: the model's)",
    )
    group.add_argument(
        "--sample-steps",
        metavar="N",
        help="number of sampling steps, 1 to 10000 (default: the model's)",
    )
    group.add_argument(
        "--cfg-scale",
        metavar="X",
        help="classifier-free guidance, how closely the prompt is followed, 0 to 100; 1 switches"
        " it off (default: the model's)",
    )


def _add_output(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--output",
        metavar="PATH",
        help="a file (.png, .jpg, .webp), which is replaced, or with --count numbered: cat-1.png,"
        " ...; a folder; or - for standard output (default: a new file, named after the prompt and"
        " the time)",
    )
    group.add_argument(
        "--show",
        action="store_true",
        help="show the picture in the terminal, where that can (kitty, Ghostty, iTerm2, WezTerm,"
        " any with sixels), else open it in the default viewer; without a display, show it in half"
        " blocks of color",
    )
    group.add_argument(
        "--preview",
        action="store_true",
        help="show the picture in the terminal while it grows; one of 256 colors will do",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be fetched, loaded and used, say whether it fits, and stop",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object a picture, one a line, instead of its path",
    )
    group.add_argument("-q", "--quiet", action="store_true", help="tell errors only")
    group.add_argument("-d", "--debug", action="store_true", help=DEBUG_HELP)


def _add_machine(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help=f"one that '{PROGRAM} devices' lists (default: auto, the first GPU, else the CPU)",
    )
    group.add_argument(
        "--threads",
        metavar="N",
        help="CPU threads to compute with, 1 to 512 (default: one a core)",
    )


def _add_server(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--on",
        metavar="PLACE",
        default="auto",
        help="where to draw: local, server, which deploys an hf.co model there first, or auto: on"
        " the server with a server's model, here with all others (default: auto)",
    )
    group.add_argument(
        "--server",
        metavar="URL",
        help="its address (default: GPUSTACK_SERVER_URL, else http://127.0.0.1); its key is read"
        " from GPUSTACK_API_KEY",
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="how long a picture may take on the server, and a deployment may stand still"
        " (default: 1800 and 300)",
    )
