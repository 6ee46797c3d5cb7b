"""Arguments of the library as options of the command, also in the library's messages."""

from gpustack_draw.phrases import Argument, spelled

# Options with another name than the argument.
_OPTIONS = {
    "embeddings": "--embedding",
    "loras": "--lora",
    "on_log": "--debug",
    "path": "--output",
    "weight_type": "--type",
}
_SWITCHES = frozenset(
    (
        *("allow_fetch", "canny", "mask_invert", "masked_only", "no_auth", "on_log", "preview"),
        *("low_memory", "offload_to_cpu", "clip_on_cpu", "vae_on_cpu", "diffusion_fa"),
    )
)
# Options that can stand alone; a value follows an equals sign.
_OPTIONAL_VALUES = frozenset({"hires"})


def option_of(name: str) -> str:
    """Return the option of an argument, such as ``--clip-l`` of ``clip_l``."""
    return _OPTIONS.get(name) or "--" + name.replace("_", "-")


def with_options(text: str) -> str:
    """Return a text of the library with options in place of arguments."""
    return spelled(text, _typed)


def _typed(argument: Argument) -> str:
    option = option_of(argument.name)
    if argument.source == "False":
        return "--no-" + option.removeprefix("--")
    if not argument.source or argument.name in _SWITCHES:
        return option
    separator = "=" if argument.name in _OPTIONAL_VALUES else " "
    return f"{option}{separator}{_value_of(argument.source)}"


def _value_of(source: str) -> str:
    if source[0] not in "'\"":
        return source
    from ast import literal_eval

    return str(literal_eval(source))
