"""The parser of ``draw``, which is also the command's without a command."""

import argparse

from gpustack_draw.cli.command_line import PROGRAM
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.cli.parser import Parser, add_negation
from gpustack_draw.cli.shared_options import (
    add_component_options,
    add_device_options,
    add_embedding_option,
    add_lora_option,
    add_memory_options,
    add_output_options,
)
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
)
from gpustack_draw.request.picture_values import DEFAULT_FIT, DEFAULT_PADDING, FITS


def draw_parser() -> Parser:
    """Return the parser of ``gpustack-draw [draw]``; the man page is generated from it, too."""
    parser = Parser(
        usage=f"{PROGRAM} [draw] MODEL PROMPT [options]\n"
        f"       {PROGRAM} [draw] MODEL --prompts FILE [options]\n"
        f"       {PROGRAM} [draw] [MODEL [PROMPT]] --from PICTURE [options]\n"
        f"       {PROGRAM} upscale MODEL PICTURE... [options]\n"
        f"       {PROGRAM} serve [MODEL...] [options]\n"
        f"       {PROGRAM} show PICTURE [--json]\n"
        f"       {PROGRAM} devices [--json]\n"
        f"       {PROGRAM} models [--known | --info REF] [--json]\n"
        f"       {PROGRAM} pull MODEL [options]\n"
        f"       {PROGRAM} rm MODEL [--yes]\n"
        f"       {PROGRAM} completion SHELL",
        description="Draw a picture of PROMPT with the model MODEL, or change the picture of"
        " --image, and print the path of the saved file. 'upscale' enlarges pictures, 'serve' draws"
        " for clients of an HTTP API, 'show' prints how a picture was drawn,"
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
    add_device_options(parser.add_argument_group("device"))
    add_memory_options(parser)
    _add_server(parser.add_argument_group("GPUStack server"))
    add_component_options(parser)
    _add_additions(parser.add_argument_group("additions to the model"))
    parser.add_version_and_help(config=True)
    return parser


def _add_input(parser: Parser) -> None:
    group = parser.add_argument_group("input")
    group.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="'demo', the small model inside the package; hf.co/OWNER/REPO[@REVISION][:TAG], a"
        " GGUF model on Hugging Face, downloaded when missing, where TAG is a quantization"
        " (default: Q4_0) or a file name; a local model file (.gguf, .safetensors, .ckpt) or"
        " folder; the name of a model on a GPUStack server; or a short name, such as sdxl-turbo,"
        " which 'models --known' lists",
    )
    group.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="text in quotes, up to 10000 characters; put -- before one that starts with a dash; or"
        " - for prompts from standard input, as of --prompts",
    )
    group.add_argument(
        "--prompts",
        metavar="FILE",
        help="draw each line of a text file, or of - for standard input, with the same seeds; empty"
        " lines and those that start with # are skipped",
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
        " for the size it was trained for (default: that of the input picture, else 512x512;"
        " demo: native; on a server: that of the model, if it is known)",
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
    hires = group.add_argument("--hires", nargs="?", const="2", metavar="SCALE", help=HIRES.help)
    add_negation(
        group,
        "--no-hires",
        hires,
        help="draw in one pass, also where the picture of --from was drawn in two",
    )
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
        "--grid",
        metavar="PATH",
        help="also save all pictures in one, with captions: a file (.png, .jpg, .webp), overwritten"
        " if it exists, or a folder",
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
