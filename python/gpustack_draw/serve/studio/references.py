"""The door for names from clients: models, LoRAs and upscaling models. Never a path."""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gpustack_draw import HIRES_UPSCALER_TITLES, DrawRequest, DrawSettings, Lora
from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.serve.options import ServeOptions

_MAX_LENGTH = 400
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,95}[A-Za-z0-9_-])?"
# A file of a repository may be in folders, whose names start with no dot.
_HUB = re.compile(
    rf"hf\.co/{_PART}/{_PART}(?:@[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}})?"
    r"(?::[A-Za-z0-9_][^\s\x00-\x1f\x7f\\:@]{0,250})?"
)
_ENDINGS = (".safetensors", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
_MAX_NAMES = 20


def is_hub_reference(name: str) -> bool:
    """Return whether a name is a reference of Hugging Face, and cannot be anything else."""
    if len(name) > _MAX_LENGTH or _HUB.fullmatch(name) is None:
        return False
    return not any(part.startswith(".") for part in re.split("[/:@]", name)) and "//" not in name


def names_hub_file(request: DrawRequest) -> bool:
    """Return whether a request names a LoRA or an upscaling model of Hugging Face."""
    names = [lora.reference for lora in request.loras or ()]
    names += [str(name) for name in (request.upscale, request.hires_upscaler) if name is not None]
    return any(map(is_hub_reference, names))


def check_size(settings: DrawSettings, max_size: tuple[int, int]) -> None:
    """Check that a picture is not larger than the server draws.

    Args:
        settings: Settings of the picture.
        max_size: Largest width and height in pixels.

    Raises:
        UsageError: It is larger.
    """
    drawn = settings.hires or settings
    width, height = max_size
    if drawn.width > width or drawn.height > height:
        raise UsageError(
            f"{drawn.width}x{drawn.height} is larger than this server draws",
            hint=f"the largest size is {width}x{height}",
            argument="size" if settings.hires is None else "hires",
        )


class References:
    """Replaces the names that clients use by references of the library."""

    def __init__(self, options: ServeOptions) -> None:
        """Collect the names of the options.

        Raises:
            UsageError: Two LoRAs or two upscaling models have one name, or the folder of LoRAs does
                not exist.
        """
        self._allow_fetch = options.allow_fetch
        self._loras = _named(options.loras, "loras")
        self._upscalers = _named(options.upscalers, "upscaler")
        folder = options.lora_dir or os.environ.get("GPUSTACK_DRAW_LORA_DIR", "").strip()
        self._folder = Path(folder).absolute() if folder else None
        if options.lora_dir and not Path(options.lora_dir).is_dir():
            raise UsageError(
                f"the folder of LoRAs {quoted(options.lora_dir)} does not exist",
                hint=phrase("name another folder with {lora_dir}, or create it"),
                argument="lora_dir",
            )

    def loras(self) -> tuple[str, ...]:
        """Return the names of the LoRAs that clients may use; reads the folder of LoRAs."""
        return tuple(sorted({**self._files_of_folder(), **self._loras}))

    def upscalers(self) -> tuple[str, ...]:
        """Return the names of the upscaling models that clients may use."""
        return tuple(self._upscalers)

    def upscaler(self, name: str, argument: str = "upscale") -> str:
        """Return the reference of an upscaling model.

        Raises:
            UsageError: The server has none of this name.
        """
        return self._checked(name, self._upscalers, "upscaling model", argument)

    def applied(self, request: DrawRequest) -> DrawRequest:
        """Return a client's request with the server's references.

        Args:
            request: The request; its input pictures are bytes, images or arrays.

        Raises:
            UsageError: The server has no LoRA or upscaling model of a name.
            TypeError: An input picture is a path.
        """
        _check_pictures(request)
        changes: dict[str, object] = {"lora_dir": None if self._folder is None else self._folder}
        if request.loras is not None:
            files = self._files_of_folder()
            known = {**{name: str(path) for name, path in files.items()}, **self._loras}
            changes["loras"] = tuple(
                Lora(self._checked(lora.reference, known, "LoRA", "loras"), lora.weight)
                for lora in request.loras
            )
        if request.upscale is not None:
            changes["upscale"] = self.upscaler(str(request.upscale))
        method = request.hires_upscaler
        if method is not None and method not in HIRES_UPSCALER_TITLES:
            changes["hires_upscaler"] = self.upscaler(str(method), "hires_upscaler")
        return replace(request, **changes)  # type: ignore[arg-type]

    def _checked(self, name: str, known: Mapping[str, str], kind: str, argument: str) -> str:
        if name in known:
            return known[name]
        if self._allow_fetch and is_hub_reference(name):
            return name
        names = sorted(known)[:_MAX_NAMES]
        hint = f"choose one of: {', '.join(names)}" if names else f"this server has no {kind}"
        if is_hub_reference(name):
            hint += phrase("; start the server with {} to download others", Argument("allow_fetch"))
        raise UsageError(
            f"there is no {kind} {quoted(name)} on this server", hint=hint, argument=argument
        )

    def _files_of_folder(self) -> dict[str, Path]:
        if self._folder is None:
            return {}
        try:
            files = sorted(self._folder.rglob("*"))
        except OSError:
            return {}
        named: dict[str, Path] = {}
        for file in files:
            if file.suffix.lower() in _ENDINGS and file.is_file():
                named.setdefault(file.stem, file)
        return named


def _named(references: tuple[str, ...], argument: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for reference in references:
        name = _name_of(reference)
        if named.setdefault(name, reference) != reference:
            raise UsageError(
                f"{quoted(named[name])} and {quoted(reference)} have the same name: {name}",
                hint="rename one of the files",
                argument=argument,
            )
    return named


def _name_of(reference: str) -> str:
    """Return the name of a file without its ending; of a repository without a file, its own."""
    last = re.split(r"[/\\:]", reference.rstrip("/"))[-1]
    ending = next((each for each in _ENDINGS if last.lower().endswith(each)), "")
    return last[: len(last) - len(ending)] or reference


def _check_pictures(request: DrawRequest) -> None:
    pictures = request.pictures
    sources = [*pictures.image, *pictures.ref_image, pictures.control_image]
    if not pictures.mask_is_alpha:
        sources.append(pictures.mask)
    if any(isinstance(source, str | os.PathLike) for source in sources):
        raise TypeError("an input picture of a client is a path")
