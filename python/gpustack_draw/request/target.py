"""The components that a caller names, and the place where a picture is drawn, as records."""

import os
from dataclasses import dataclass, fields
from typing import TypedDict

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.request.options import THREADS

Reference = str | os.PathLike[str]


class ComponentKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`Components`."""

    vae: Reference | None
    clip_l: Reference | None
    clip_g: Reference | None
    t5xxl: Reference | None
    llm: Reference | None
    llm_vision: Reference | None
    taesd: Reference | None
    control_net: Reference | None


@dataclass(frozen=True, kw_only=True)
class Components:
    """Paths or hf.co references of the components that replace those found.

    Attributes:
        vae: The VAE.
        clip_l: The CLIP-L text encoder.
        clip_g: The CLIP-G text encoder.
        t5xxl: The T5-XXL text encoder.
        llm: The language model that encodes the text (FLUX.2, Qwen-Image, Z-Image).
        llm_vision: The vision encoder (mmproj) of the language model, for Qwen-Image-Edit.
        taesd: The tiny autoencoder, faster than the VAE; ``auto`` for the known one of the model's
            family.
        control_net: The ControlNet with which Stable Diffusion 1 and 2 follow a control picture.

    Raises:
        UsageError: A reference is neither text nor a path.
    """

    vae: Reference | None = None
    clip_l: Reference | None = None
    clip_g: Reference | None = None
    t5xxl: Reference | None = None
    llm: Reference | None = None
    llm_vision: Reference | None = None
    taesd: Reference | None = None
    control_net: Reference | None = None

    def __post_init__(self) -> None:
        """Check every reference; paths become text."""
        for field in fields(self):
            value = getattr(self, field.name)
            text = os.fspath(value) if isinstance(value, os.PathLike) else value
            if text is not None and not isinstance(text, str):
                raise UsageError(
                    f"{field.name} is {type(text).__name__}, not text or a path: {quoted(value)}",
                    argument=field.name,
                )
            object.__setattr__(self, field.name, text)  # a frozen dataclass has no other way

    def named(self) -> dict[str, str]:
        """Return the references by component, without those that are ``None``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: text for name, text in values.items() if text is not None}


class TargetKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`Target`."""

    on: str
    server: str | None
    timeout: float | None
    threads: int | None
    device: str
    in_process: bool


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where and how to compute.

    Attributes:
        on: Where to draw: ``auto`` (on the server with a server's model, here with all others),
            ``local`` or ``server``, where an hf.co model is deployed first by the first drawing.
        server: Address of the GPUStack server; ``None`` for ``GPUSTACK_SERVER_URL``, else
            ``http://127.0.0.1``. Its key is in ``GPUSTACK_API_KEY``.
        timeout: Seconds to wait for a picture of the server, and for a deployment without progress;
            ``None`` for 1800 and 300.
        threads: CPU threads of this machine, 1 to 512; ``None`` for one per core.
        device: ``auto`` for the first GPU, else the CPU; or a name that ``devices()`` lists.
        in_process: Run the engine in this process. It starts a little faster, but a failed check in
            the engine then ends this process, and on a GPU Ctrl-C takes effect after the step.

    Raises:
        UsageError: The number of threads is not allowed.
    """

    on: str = "auto"
    server: str | None = None
    timeout: float | None = None
    threads: int | None = None
    device: str = "auto"
    in_process: bool = False

    def __post_init__(self) -> None:
        """Check the number of threads."""
        if self.threads is not None:
            object.__setattr__(self, "threads", THREADS.check(self.threads))

    def local_options(self) -> list[str]:
        """Return the names of the chosen values that have no effect on a server."""
        chosen = {"threads": self.threads is not None, "device": self.device != "auto"}
        return [name for name, is_chosen in chosen.items() if is_chosen]
