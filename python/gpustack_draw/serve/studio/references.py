"""The door for names from clients: models, LoRAs and upscaling models. Never a path."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from gpustack_draw import HIRES_UPSCALER_TITLES, DrawRequest, DrawSettings, Lora, picture_size
from gpustack_draw.errors import DrawError, UsageError, quoted
from gpustack_draw.phrases import Argument, Phrase
from gpustack_draw.serve.options import ServeOptions

_MAX_LENGTH = 400
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,95}[A-Za-z0-9_-])?"
# A file of a repository may be in folders, whose names start with no dot.
_HUB = re.compile(
    rf"hf\.co/{_PART}/{_PART}(?:@[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}})?"
    r"(?::[A-Za-z0-9_][^\s\x00-\x1f\x7f\\:@]{0,250})?"
)
_TAG = re.compile(r"<(?:lora|lyco):([^<>:]+)", re.IGNORECASE)
_ENDINGS = (".safetensors", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
# Files that are named after their folder or repository, as the library names them in pictures.
_USUAL_STEMS = frozenset(
    ("pytorch_lora_weights", "adapter_model", "diffusion_pytorch_model", "lora", "model")
)
_MAX_NAMES = 20
_MAX_INPUT_PIXELS = 100_000_000  # of a request; they take about a gigabyte while they are decoded


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
        self._folder = Path(folder).expanduser().absolute() if folder else None
        if options.lora_dir and self._folder is not None and not self._folder.is_dir():
            raise UsageError(
                f"there is no folder {quoted(options.lora_dir)}",
                hint="name the folder of your LoRAs",
                argument="lora_dir",
            )
        control_net = options.load.get("control_net")
        self._control_nets = {} if control_net is None else {_name_of(str(control_net)): ""}
        self._models = {model.reference: model.name for model in options.models}

    def loras(self) -> tuple[str, ...]:
        """Return the names of the LoRAs that clients may use; reads the folder of LoRAs."""
        return tuple(sorted(self._all_loras()))

    def upscalers(self) -> tuple[str, ...]:
        """Return the names of the upscaling models that clients may use."""
        return tuple(self._upscalers)

    def control_nets(self) -> tuple[str, ...]:
        """Return the name of the ControlNet that is loaded with the model, if there is one."""
        return tuple(self._control_nets)

    def check_control_net(self, name: str) -> None:
        """Check that a ControlNet is the one that is loaded with the model.

        Raises:
            UsageError: It is not.
        """
        if {name, _without_ending(name)}.isdisjoint(self._control_nets):
            raise _unknown(name, self._control_nets, "ControlNet", "control_image")

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
        changes: dict[str, object] = {"lora_dir": self._folder}
        if loras := self._loras_of(request):
            changes["loras"] = loras
        if request.upscale is not None:
            changes["upscale"] = self.upscaler(str(request.upscale))
        method = request.hires_upscaler
        if method is not None and method not in HIRES_UPSCALER_TITLES:
            changes["hires_upscaler"] = self.upscaler(str(method), "hires_upscaler")
        return replace(request, **changes)  # type: ignore[arg-type]

    def translate(self, error: DrawError) -> None:
        """Make an error of the library one for clients.

        Its paths become the names that clients use, and a LoRA that a prompt names can only be one
        of the server's.
        """
        if error.argument == "prompt" and _names(error.hint, "loras"):
            error.hint = f"leave the tag out; {_choice(self._all_loras(), 'LoRA')}"
        names = {**{path: name for name, path in self._upscalers.items()}, **self._models}
        names |= {path: name for name, path in self._loras.items()}
        if self._folder is not None:
            names[f"{self._folder}{os.sep}"] = ""
            names[str(self._folder)] = "the folder of LoRAs"
        for path in sorted(names, key=len, reverse=True):
            if os.sep in path and not is_hub_reference(path):
                error.message = _replaced(error.message, path, names[path])
                error.hint = _replaced(error.hint, path, names[path])

    def _loras_of(self, request: DrawRequest) -> tuple[Lora, ...]:
        """Return the LoRAs that a request names, also those of --lora in tags of the prompt."""
        typed = request.loras or ()
        known = self._all_loras() if typed else {}
        loras = [
            Lora(self._checked(lora.reference, known, "LoRA", "loras"), lora.weight)
            for lora in typed
        ]
        references = {lora.reference for lora in loras}
        lower = {name.lower(): reference for name, reference in self._loras.items()}
        for tag in _TAG.findall(request.prompt):
            reference = lower.get(tag.strip().lower())
            if reference is not None and reference not in references:
                references.add(reference)
                loras.append(Lora(reference))  # the tag sets its weight
        return tuple(loras)

    def _checked(self, name: str, known: Mapping[str, str], kind: str, argument: str) -> str:
        for spelling in (name, _without_ending(name)):
            if spelling in known:
                return known[spelling]
        if self._allow_fetch and is_hub_reference(name):
            return name
        error = _unknown(name, known, kind, argument)
        if is_hub_reference(name):
            error.hint += "; --allow-fetch lets clients name others"
        raise error

    def _all_loras(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._folder is not None:
            try:
                for file in sorted(self._folder.rglob("*")):
                    if file.suffix.lower() in _ENDINGS and file.is_file():
                        found.setdefault(file.stem, str(file))
            except OSError:
                found = {}
        return {**found, **self._loras}


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
    """Return the name of a file without its ending, or that of its folder or repository."""
    *folders, last = re.split(r"[/\\:]", reference.rstrip("/"))
    stem = _without_ending(last)
    if stem.lower() in _USUAL_STEMS and folders:
        return folders[-1].partition("@")[0] or stem
    return stem.partition("@")[0] if is_hub_reference(reference) else stem


def _without_ending(name: str) -> str:
    ending = next((each for each in _ENDINGS if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)] or name


def _unknown(name: str, known: Iterable[str], kind: str, argument: str) -> UsageError:
    message = f"there is no {kind} {quoted(name)} on this server"
    return UsageError(message, hint=_choice(known, kind), argument=argument)


def _choice(known: Iterable[str], kind: str) -> str:
    names = sorted(known)[:_MAX_NAMES]
    return f"choose one of: {', '.join(names)}" if names else f"this server has no {kind}"


def _names(text: str, argument: str) -> bool:
    """Return True if a text names an argument of the library."""
    pieces = text.pieces if isinstance(text, Phrase) else ()
    return any(isinstance(piece, Argument) and piece.name == argument for piece in pieces)


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        return text
    pieces = text.pieces if isinstance(text, Phrase) else (text,)
    return Phrase(
        *(piece if isinstance(piece, Argument) else piece.replace(old, new) for piece in pieces)
    )


def _check_pictures(request: DrawRequest) -> None:
    """Check that pictures are no paths, and that decoding them does not exhaust the memory."""
    pictures = request.pictures
    sources = [*pictures.image, *pictures.ref_image, pictures.control_image]
    if not pictures.mask_is_alpha:
        sources.append(pictures.mask)
    if any(isinstance(source, str | os.PathLike) for source in sources):
        raise TypeError("an input picture of a client is a path")
    pixels = sum(_pixels_of(source) for source in sources if isinstance(source, bytes))
    if pixels > _MAX_INPUT_PIXELS:
        raise UsageError(
            f"the pictures have {pixels // 10**6} megapixels together, more than"
            f" {_MAX_INPUT_PIXELS // 10**6}",
            hint="scale them down first",
            argument="image",
        )


def _pixels_of(file: bytes) -> int:
    try:
        return math.prod(picture_size(file))
    except UsageError:  # which the library reports with the picture's role
        return 0
