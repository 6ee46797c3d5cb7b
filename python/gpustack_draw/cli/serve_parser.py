"""The parser of ``serve``."""

import argparse

from gpustack_draw.cli.command_line import PROGRAM
from gpustack_draw.cli.command_parsers import command_parser
from gpustack_draw.cli.parser import Parser
from gpustack_draw.cli.shared_options import (
    add_component_options,
    add_device_options,
    add_embedding_option,
    add_memory_options,
    add_output_options,
)


def serve_parser() -> Parser:
    """Return the parser of ``gpustack-draw serve``."""
    parser = command_parser(
        "serve",
        "[MODEL...] [options]",
        "Serve models of this machine: OpenAI's images API, a part of the web UI's API, and a page"
        " to draw on. The first model is loaded at the start, others when they are named, and the"
        " one that was used least recently is unloaded when memory is short.",
        epilog=f"for example: {PROGRAM} serve demo",
    )
    parser.add_argument(
        "models",
        nargs="*",
        default=[],
        metavar="MODEL",
        help="models as for drawing: 'demo', hf.co/OWNER/REPO[@REVISION][:TAG], downloaded when"
        " missing, a file or a folder (default: demo and the models that are on this machine)",
    )
    parser.add_argument(
        "--alias",
        action="append",
        metavar="NAME",
        help="name of a model for clients; repeatable, in the order of MODEL (default: the"
        " reference, or the name of the file)",
    )
    _add_network(parser.add_argument_group("network"))
    _add_limits(parser.add_argument_group("limits"))
    add_device_options(parser.add_argument_group("device"))
    add_memory_options(parser)
    add_component_options(parser)
    _add_additions(parser.add_argument_group("additions that clients may name"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        metavar="FOLDER",
        help="folder in which the drawn pictures are saved, and which the gallery of the page shows"
        " (default: the last pictures are kept in memory)",
    )
    output.add_argument(
        "--gpustack-backend",
        nargs="?",
        const="",
        metavar="IMAGE",
        help="print the backend definition for GPUStack 2.x (YAML) and exit; IMAGE is the container"
        " image without its tag (default: gpustack-draw)",
    )
    add_output_options(
        output, quiet=True, debug="log the engine's lines, prompts and tracebacks, too"
    )
    parser.add_version_and_help(config=True)
    return parser


def _add_network(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--host",
        metavar="ADDRESS",
        help="address to listen on; other machines need a key, see --api-key (default: 127.0.0.1,"
        " this machine only)",
    )
    group.add_argument(
        "--port", metavar="PORT", help="port to listen on; 0 for a free one (default: 1234)"
    )
    group.add_argument(
        "--api-key",
        metavar="KEY",
        help="key that clients have to send (default: GPUSTACK_DRAW_API_KEY, which other users of"
        " this machine cannot see)",
    )
    group.add_argument(
        "--no-auth", action="store_true", help="let other machines draw without a key"
    )
    group.add_argument(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="host name under which clients reach the server, besides the address of --host;"
        " repeatable",
    )
    group.add_argument(
        "--allowed-origin",
        action="append",
        metavar="ORIGIN",
        help="web page of another site that may use the API, such as https://example.com;"
        " repeatable",
    )


def _add_limits(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--queue",
        metavar="N",
        help="requests that wait besides the one that is drawn; others get 503 (default: 20)",
    )
    group.add_argument(
        "--max-size",
        metavar="WIDTHxHEIGHT",
        help="largest picture that is drawn, before --upscale (default: 2048x2048)",
    )
    group.add_argument(
        "--request-timeout",
        metavar="SECONDS",
        help="seconds after which a request is ended, waiting included (default: 3600)",
    )
    group.add_argument(
        "--keep-loaded",
        metavar="N|BYTES",
        help="models that stay in memory: a number, or the size of their files, such as 12GB"
        " (default: as many as fit)",
    )
    group.add_argument(
        "--allow-fetch",
        action="store_true",
        help="let clients name models, LoRAs and upscaling models of Hugging Face, which are"
        " downloaded when missing",
    )


def _add_additions(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--lora",
        dest="loras",
        action="append",
        metavar="REF",
        help="LoRA, named after its file: a file or hf.co/OWNER/REPO[@REVISION][:FILE]; repeatable",
    )
    group.add_argument(
        "--lora-dir",
        metavar="FOLDER",
        help="folder of LoRAs, each named after its file (default: GPUSTACK_DRAW_LORA_DIR)",
    )
    group.add_argument(
        "--upscaler",
        action="append",
        metavar="REF",
        help="upscaling model, named after its file: a file (.pth, .safetensors, .gguf) or"
        " hf.co/OWNER/REPO[@REVISION][:FILE]; repeatable",
    )
    add_embedding_option(group)
