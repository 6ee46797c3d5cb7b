"""The options that make a drawing fit into the memory."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.names import WEIGHT_TYPES
from gpustack_draw.request.option_types import DecimalOption, IntegerOption
from gpustack_draw.request.options import MAX_VRAM, VAE_TILE_SIZE
from gpustack_draw.request.unknown_name import unknown_name

VAE_TILING = ("auto", "on", "off")
_SPELLINGS: Mapping[object, str] = {True: "on", False: "off", None: "auto"}


class MemoryKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`MemoryOptions`."""

    low_memory: bool
    vae_tiling: str | bool | None
    vae_tile_size: int | None
    offload_to_cpu: bool | None
    clip_on_cpu: bool | None
    vae_on_cpu: bool | None
    diffusion_fa: bool | None
    max_vram: float | None
    weight_type: str | None


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """The options that make a drawing fit into the memory.

    ``None`` leaves a choice to the plan of each drawing, which makes it if the drawing would not
    fit otherwise.

    Attributes:
        low_memory: Draw with as little memory as possible, whatever is free.
        vae_tiling: Decode and encode pictures in tiles: ``on``, ``off``, or ``auto`` for a picture
            that would not fit otherwise; also ``True``, ``False`` and ``None``.
        vae_tile_size: Side of the tiles in pixels, 64 to 8192; switches them on. ``None`` for the
            largest that fits, 256 or more.
        offload_to_cpu: On a GPU, keep the weights in the memory of the machine, and copy those of
            each network to the GPU when it runs.
        clip_on_cpu: On a GPU, run the text encoders on the CPU.
        vae_on_cpu: On a GPU, run the VAE on the CPU.
        diffusion_fa: On a GPU, sample with flash attention, which stores no attention scores.
        max_vram: GiB of a GPU that the weights of a network may take at a time, 0.1 to 1024;
            switches ``offload_to_cpu`` on.
        weight_type: Type that the weights are converted to while they are loaded, such as ``q8_0``;
            ``None`` for the types of the file.

    Raises:
        UsageError: A value is not allowed, or two exclude each other.
    """

    low_memory: bool = False
    vae_tiling: str | bool | None = "auto"
    vae_tile_size: int | None = None
    offload_to_cpu: bool | None = None
    clip_on_cpu: bool | None = None
    vae_on_cpu: bool | None = None
    diffusion_fa: bool | None = None
    max_vram: float | None = None
    weight_type: str | None = None

    def __post_init__(self) -> None:
        """Check every value; spellings become names."""
        checked = {
            "vae_tiling": _check_tiling(self.vae_tiling),
            "vae_tile_size": _checked(VAE_TILE_SIZE, self.vae_tile_size),
            "max_vram": _checked(MAX_VRAM, self.max_vram),
            "weight_type": _check_type(self.weight_type),
        }
        if checked["vae_tile_size"] is not None:
            if checked["vae_tiling"] == "off":
                raise _excluded(
                    phrase("{vae_tile_size} needs tiles, and {vae_tiling='off'} forbids them"),
                    "vae_tile_size",
                )
            checked["vae_tiling"] = "on"
        if checked["max_vram"] is not None:
            if self.offload_to_cpu is False:
                raise _excluded(phrase("{max_vram} needs {offload_to_cpu}"), "max_vram")
            checked["offload_to_cpu"] = True
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # a frozen dataclass has no other way

    def chosen(self) -> list[str]:
        """Return the names of the options that are not left to the plan."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


def _excluded(message: str, argument: str) -> UsageError:
    return UsageError(message, hint="leave one of them out", argument=argument)


def _checked(option: IntegerOption | DecimalOption, value: object) -> Any:
    return None if value is None else option.check(value)


def _check_tiling(value: object) -> str:
    if value is None or isinstance(value, bool):
        return _SPELLINGS[value]
    name = value.strip().lower() if isinstance(value, str) else ""
    if name not in VAE_TILING:
        raise UsageError(
            f"{quoted(value)} is not auto, on or off",
            hint=phrase("for example {vae_tiling='on'}"),
            argument="vae_tiling",
        )
    return name


def _check_type(value: object) -> str | None:
    if value is None:
        return None
    known = {name.lower(): name for name in WEIGHT_TYPES}
    name = known.get(value.strip().lower()) if isinstance(value, str) else None
    if name is None:
        raise unknown_name(value, WEIGHT_TYPES, "weight_type", title="weight type")
    return name


NO_MEMORY_OPTIONS = MemoryOptions()
