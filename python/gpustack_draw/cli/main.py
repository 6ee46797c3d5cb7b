"""The command: from an argument list to an exit status.

Only what ``--help`` needs is imported here; everything else comes once the arguments are read.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from gpustack_draw.cli.arguments import Arguments, parse_arguments
from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import DrawError, OutputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from gpustack_draw.cli.drawings import Drawings
    from gpustack_draw.cli.from_picture import SourcePicture
    from gpustack_draw.cli.progress import Reporter
    from gpustack_draw.model import Model
    from gpustack_draw.progress.callbacks import LogFunction

BROKEN_PIPE_STATUS = 128 + 13  # what a shell shows of a program that SIGPIPE ended


def run_command() -> "NoReturn":
    """Run the command, and end the process with its exit status."""
    # Every text is English, also argparse's: gettext, which reads the locale first, would take a
    # tenth of the time of --help.
    argparse._ = str  # type: ignore[attr-defined]
    status = main()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # The error is reported already. Python would flush again at its end, and report it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments, without the program's name; by default the process's own.

    Returns:
        The exit status: 0 saved, 1 the engine or the server failed, 2 the command line is wrong, 3
        the model was not found, 4 the picture could not be written, 130 Ctrl-C, 143 SIGTERM.
    """
    argv, restore_signals = (sys.argv[1:], False) if argv is None else (argv, True)
    try:
        arguments = parse_arguments(argv)
        return _run_command(arguments, restore_signals=restore_signals)
    except SystemExit as end:  # --help, --version; or SIGTERM at the very end
        return end.code if isinstance(end.code, int) else 0
    except UsageError as error:
        from gpustack_draw.cli.hints.command_names import add_model_hint

        add_model_hint(error, argv)
        return _report_error(error, debug=False)
    except OSError as error:
        return _report_any_error(_about_standard_output(error), debug=False)
    except KeyboardInterrupt:  # before or after the handlers of signals were set
        return 130


def _run_command(arguments: Arguments, *, restore_signals: bool) -> int:
    from gpustack_draw.cli.signals import Interruptions

    with Interruptions(restore=restore_signals) as interruptions:
        try:
            return _COMMANDS[arguments.command](arguments)
        except BaseException as error:
            if not interruptions.exit_status:
                if isinstance(error, DrawError) and arguments.used_config is not None:
                    from gpustack_draw.cli.config.apply import complete_hint

                    complete_hint(error, arguments)
                return _report_any_error(error, debug=arguments.debug)
            # Any error after an interruption is a consequence of it.
            terminal = sys.stderr is not None and sys.stderr.isatty()
            covering = "\r" if terminal else ""  # the ^C that the terminal shows
            _print_error_line(f"{covering}gpustack-draw: {interruptions.reason}")
    return interruptions.exit_status


def _draw(arguments: Arguments) -> int:
    from gpustack_draw.cli.delivery import Delivery
    from gpustack_draw.cli.progress import Reporter
    from gpustack_draw.cli.standard_output import check_standard_output
    from gpustack_draw.request.options import SEED

    reporter = Reporter(sys.stderr, quiet=arguments.quiet)
    model_name, drawings, source = _drawings(arguments, reporter)
    check_standard_output(arguments, drawings.count)
    plans = drawings.plan_outputs(arguments.output)
    grid = None if arguments.grid is None else drawings.plan_grid(arguments.grid, plans)
    if arguments.dry_run:
        from gpustack_draw.cli.plan import show_plan

        with _load(model_name, arguments, on_log=None) as model:
            json, config = arguments.json, arguments.used_config
            return show_plan(model, drawings, _write, json_wanted=json, config=config)
    if arguments.debug:
        _print_build_info(reporter, arguments)
    on_log = reporter.log if arguments.debug else None
    pictures = reporter.pictures(show=arguments.show, preview=arguments.preview)
    with _load(model_name, arguments, on_log) as model, pictures:
        if arguments.seed is not None and SEED.parse(arguments.seed) is None:
            reporter.note("--seed -1 means a random seed")
        preview = arguments.preview and reporter.canvas is not None
        if preview and not model.has_previews:
            reporter.note("--preview has no effect: the server sends no previews")
        for note in drawings.check(model):
            reporter.note(note)
        delivery = Delivery(arguments, plans, grid, reporter, _write)
        complete = False
        try:
            for note in model.fetch(reporter.progress):
                reporter.note(note)
            drawn = drawings.draw(model, delivery, reporter, preview=preview)
            for index, picture in enumerate(drawn):
                if source is not None and index == 0:
                    source.note_changed_loras(picture.settings, reporter.note)
            complete = True
        finally:
            reporter.finish(complete=complete)
            delivery.finish(drawings.count)
    return 0


def _check_words(arguments: Arguments, *, is_typed: bool) -> None:
    from gpustack_draw.request.known_models import parse_local_reference
    from gpustack_draw.request.model_reference import ServerModel

    assert arguments.model is not None
    assert arguments.prompt is not None
    if isinstance(parse_local_reference(arguments.model), ServerModel):
        from gpustack_draw.cli.hints.positional_arguments import check_model_argument

        is_configured = bool(arguments.server or os.environ.get("GPUSTACK_SERVER_URL", "").strip())
        check_model_argument(arguments.model, arguments.prompt, server_is_configured=is_configured)
    elif is_typed and os.path.lexists(arguments.prompt):
        from gpustack_draw.cli.hints.positional_arguments import check_prompt

        check_prompt(arguments.model, arguments.prompt)


def _load(model_name: str, arguments: Arguments, on_log: "LogFunction | None") -> "Model":
    """Find a model, with the components and at the place that the command line names.

    Raises:
        DrawError: It cannot be drawn with, or a value is wrong.
    """
    from gpustack_draw import load
    from gpustack_draw.cli.load_keywords import load_keywords, parsed
    from gpustack_draw.gpustack_server.address import parse_timeout

    return load(
        model_name,
        **load_keywords(arguments),
        on=arguments.on,
        server=arguments.server,
        timeout=parsed(arguments.timeout, parse_timeout),
        on_log=on_log,
    )


def _drawings(
    arguments: Arguments, reporter: "Reporter"
) -> "tuple[str, Drawings, SourcePicture | None]":
    """Return the model's name, the drawings, and the picture of --from that completes them.

    Raises:
        UsageError: A value is wrong, or the picture or the list of prompts cannot be read.
    """
    from gpustack_draw.cli.drawings import Drawings
    from gpustack_draw.cli.prompts import read_prompts
    from gpustack_draw.cli.request_options import typed_pictures, typed_values, with_pictures_read
    from gpustack_draw.request.draw_request import request_of

    prompts = read_prompts(arguments)
    if prompts:
        arguments.prompt = prompts[0].text
    typed, pictures = typed_values(arguments), typed_pictures(arguments)
    if arguments.from_picture is None:
        _check_words(arguments, is_typed=not prompts)
        assert arguments.model is not None  # the parser has asked for both
        request = with_pictures_read(request_of({**typed, **pictures}))
        return arguments.model, Drawings.of(request, prompts), None
    from gpustack_draw.cli.from_picture import notes_on_inputs, read_source

    source = read_source(arguments, typed, pictures)
    for note in source.notes:
        reporter.note(note)
    request = with_pictures_read(source.parameters.request(**typed, **source.pictures))
    for note in notes_on_inputs(source, request.pictures):
        reporter.note(note)
    return source.model, Drawings.of(request, prompts), source


def _devices(arguments: Arguments) -> int:
    from gpustack_draw.cli.device_list import show_devices
    from gpustack_draw.cli.progress import Reporter

    reporter = Reporter(sys.stderr)
    if arguments.debug:
        _print_build_info(reporter, arguments)
    return show_devices(arguments, _write, reporter)


def _models(arguments: Arguments) -> int:
    if arguments.info is not None:
        from gpustack_draw.cli.file_info import show_info

        return show_info(arguments.info, _write, json_wanted=arguments.json)
    if arguments.known:
        from gpustack_draw.cli.plan import show_known_models

        return show_known_models(_write, json_wanted=arguments.json)
    from gpustack_draw.cli.plan import show_models

    return show_models(
        arguments, _write, lambda note: _print_error_line(f"gpustack-draw: {with_options(note)}")
    )


def _upscale(arguments: Arguments) -> int:
    from gpustack_draw.cli.upscale import upscale

    return upscale(arguments, _write)


def _serve(arguments: Arguments) -> int:
    from gpustack_draw.cli.serve import serve

    return serve(arguments, _write)


def _show(arguments: Arguments) -> int:
    from gpustack_draw.cli.from_picture import show_parameters

    try:
        return show_parameters(arguments, _write)
    except UsageError as error:
        from gpustack_draw.cli.hints.command_names import add_model_hint

        add_model_hint(error, ["show", str(arguments.picture)])
        raise


def _pull(arguments: Arguments) -> int:
    from gpustack_draw.cli.pull import pull

    return pull(arguments, _write)


def _remove(arguments: Arguments) -> int:
    from gpustack_draw.cli.remove import remove

    return remove(arguments, _write)


def _completion(arguments: Arguments) -> int:
    from gpustack_draw.cli.completion import run_completion

    return run_completion(arguments, _write)


_COMMANDS = {
    "draw": _draw,
    "upscale": _upscale,
    "serve": _serve,
    "show": _show,
    "devices": _devices,
    "models": _models,
    "pull": _pull,
    "rm": _remove,
    "completion": _completion,
}


def _write(data: bytes) -> None:
    """Write to standard output, at once.

    Bytes, because a path is not always text in the encoding of standard output.

    Raises:
        BrokenPipeError: Nobody reads any more.
        OutputError: It cannot be written.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise _about_standard_output(error) from error


def _about_standard_output(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return error
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"standard output cannot be written: {reason}")


def _print_build_info(reporter: "Reporter", arguments: Arguments) -> None:
    import platform

    from gpustack_draw import build_info

    facts = {
        "python": f"{platform.python_version()} on {platform.platform()}",
        **build_info(),
        **({"config": arguments.used_config} if arguments.used_config else {}),
    }
    for name, value in facts.items():
        reporter.line(f"{name}: {value}")


def _report_any_error(error: BaseException, *, debug: bool) -> int:
    if isinstance(error, DrawError):
        return _report_error(error, debug=debug)
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE_STATUS
    if not isinstance(error, Exception):
        raise error
    import traceback

    _print_error_line("".join(traceback.format_exception(error)).rstrip())
    _print_error_line(
        "gpustack-draw: this is a bug in gpustack-draw; report it with the lines above"
    )
    return 1


def _report_error(error: DrawError, *, debug: bool) -> int:
    if debug:
        import traceback

        _print_error_line("".join(traceback.format_exception(error)).rstrip())
    _print_error_line(f"gpustack-draw: {with_options(error.message)}")
    if error.hint:
        _print_error_line(f"gpustack-draw: {with_options(error.hint)}")
    return error.exit_status


def _print_error_line(text: str) -> None:
    try:
        if sys.stderr is not None:
            sys.stderr.write(text + "\n")
    except OSError:
        pass  # standard error is closed
