"""The plan of a drawing: files to download and load, memory, settings."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gpustack_draw.display import table
from gpustack_draw.memory.memory_plan import MemoryPlan
from gpustack_draw.request.draw_settings import DrawSettings, PlannedSettings
from gpustack_draw.request.loras import describe_loras
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel
from gpustack_draw.speed.estimate import PictureTime
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, RepositoryFile


@dataclass(frozen=True)
class CheckedRequest:
    """A request that can be drawn.

    Attributes:
        notes: Notes for the user on the model, and on settings that change or have no effect.
        size: Width and height of the drawn picture, before an upscaling model enlarges it.
    """

    notes: tuple[str, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class PlannedFile:
    """A file that the engine will load.

    Attributes:
        component: ``model`` for the main file, else ``vae``, ``clip_l``, ..., ``embedding``,
            ``lora`` or ``upscaler``.
        repository: ``OWNER/REPO``; ``None`` for a local file.
        revision: Commit of the repository; ``None`` for a local file.
        path: Path in the repository; for a local file, on this machine.
        bytes: Size of the file.
        cached: Whether it is on this machine.
        origin: How it was found: ``named`` by the user, ``beside`` the model, in the ``cache``, or
            to be downloaded from the ``hub``.
    """

    component: str
    repository: str | None
    revision: str | None
    path: str
    bytes: int
    cached: bool
    origin: str


@dataclass(frozen=True, eq=False)
class DrawingFiles:
    """The files of a drawing: those of the model and of all that is added to it.

    Attributes:
        files: The files.
        hub: A hub, whose cache has the files of all hubs; ``None`` if all files are the user's.
    """

    files: tuple[ModelFile, ...] = ()
    hub: "Hub | None" = None

    @property
    def planned(self) -> tuple[PlannedFile, ...]:
        """The files as a plan lists them."""
        return tuple(_planned_file(file, self.hub) for file in self.files)

    @property
    def fetch_bytes(self) -> int:
        """Bytes to download."""
        return 0 if self.hub is None else self.hub.bytes_to_fetch(self._hub_files)

    @property
    def notes(self) -> tuple[str, ...]:
        """A note if the files to download do not fit on the disk; empty if they do."""
        shortage = "" if self.hub is None else self.hub.disk_shortage(self._hub_files)
        return (shortage,) if shortage else ()

    def check_disk_space(self) -> None:
        """Check that the files to download fit on the disk.

        Raises:
            FetchError: They do not fit.
        """
        if self.hub is not None:
            self.hub.check_disk_space(self._hub_files)

    @property
    def _hub_files(self) -> "list[RepositoryFile]":
        return [file.hub_file for file in self.files if file.hub_file is not None]


@dataclass(frozen=True)
class ModelPlan:
    """The files that a drawing would download and load, its memory and its settings.

    Attributes:
        model: The reference as typed.
        source: Where the model comes from: ``demo``, ``hub``, ``local`` or ``server``.
        family: Its family, such as ``flux1``; empty if its server does not report it.
        variant: ``turbo``, ``schnell``, ...; empty if its name has none.
        files: Files to load.
        fetch_bytes: Bytes to download, less those of an interrupted download.
        memory_bytes: Estimated peak memory of drawing one picture.
        memory_free_bytes: Free memory of the device; ``None`` on a server, or if the system does
            not report it.
        fits: Whether the free memory suffices; ``None`` if it is unknown.
        defaults: Settings of the picture.
        native_size: Width and height, in pixels, that the model was trained for; ``None`` if its
            server does not report them.
        device: Device or server, such as ``CPU``.
        notes: Notes for the user.
        memory: The memory of each phase, and how the drawing is made to fit; ``None`` on a server.
        time_seconds: Estimated seconds of a picture, without loading the model; ``None`` on a
            server, or if the speed of the device is unknown.
        time: Estimated seconds of each phase, likewise.
    """

    model: str
    source: str
    family: str
    variant: str
    files: tuple[PlannedFile, ...]
    fetch_bytes: int
    memory_bytes: int
    memory_free_bytes: int | None
    fits: bool | None
    defaults: PlannedSettings
    native_size: tuple[int, int] | None
    device: str
    notes: tuple[str, ...]
    memory: MemoryPlan | None = None
    time_seconds: float | None = None
    time: PictureTime | None = None

    def _repr_html_(self) -> str:
        rows = [(file.component, _describe_file(file)) for file in self.files]
        if self.memory_bytes:
            rows.append(("memory", describe_memory(self)))
        if self.memory is not None:
            rows.append(("phases", describe_phases(self.memory)))
        if self.time is not None:
            rows.append(("time", self.time.describe()))
        values = {**asdict(self.defaults), "loras": ", ".join(describe_loras(self.defaults.loras))}
        if self.defaults.hires is not None:
            values["hires"] = self.defaults.hires.describe().removeprefix("hires ")
        known = {name: value for name, value in values.items() if value not in (None, "")}
        rows += [(name.replace("_", " "), f"{value}") for name, value in known.items()]
        rows += [("device", self.device), *(("note", note) for note in self.notes)]
        family = ", ".join(filter(None, [self.family, self.variant]))
        return table(f"{self.model} ({family})" if family else self.model, rows)


def _describe_file(file: PlannedFile) -> str:
    place = f"hf.co/{file.repository}:{file.path}" if file.repository else file.path
    return f"{place}, {format_bytes(file.bytes)}{'' if file.cached else ', to download'}"


def describe_memory(plan: ModelPlan) -> str:
    """Write how much memory a plan takes, and whether it fits."""
    text = f"about {format_bytes(plan.memory_bytes)}"
    if plan.memory_free_bytes is None:
        return text
    verdict = "fits" if plan.fits else "does not fit"
    return f"{text}, {format_bytes(plan.memory_free_bytes)} free: {verdict}"


def describe_phases(memory: MemoryPlan) -> str:
    """Write how much memory each phase of a drawing takes."""
    needed = memory.needed
    phases = {
        "weights": needed.weights,
        "input pictures": needed.inputs,
        "encoding the prompt": needed.text,
        "sampling": needed.sampling,
        "decoding": needed.decoding,
    }
    tile = memory.choices.vae_tile
    texts = [f"{name} {format_bytes(count)}" for name, count in phases.items() if count]
    return ", ".join(texts) + (f" in tiles of {tile} pixels" if tile else "")


def plan_model(
    model: ResolvedModel,
    settings: DrawSettings,
    memory: MemoryPlan,
    device: str,
    notes: tuple[str, ...],
    files: DrawingFiles,
) -> ModelPlan:
    """Return the plan of drawing a picture with a model; looks only at the cache.

    Args:
        model: The model.
        settings: Settings of the picture.
        memory: Memory of the picture.
        device: Device that will draw it.
        notes: Notes for the user, in addition to the model's own.
        files: Its files.
    """
    return ModelPlan(
        model=model.reference.text,
        source=model.source,
        family=model.family.name,
        variant=model.variant,
        files=files.planned,
        fetch_bytes=files.fetch_bytes,
        memory_bytes=memory.needed.peak,
        memory_free_bytes=memory.free_bytes,
        fits=memory.fits,
        defaults=settings.planned(),
        native_size=model.defaults.native_size,
        device=device,
        notes=(*model.notes, *notes, *memory.notes, *files.notes),
        memory=memory,
    )


def _planned_file(file: ModelFile, hub: "Hub | None") -> PlannedFile:
    component = "model" if file.component == "diffusion_model" else file.component
    if file.hub_file is None or hub is None:
        return PlannedFile(component, None, None, str(file.path), file.bytes, True, file.origin)
    cached = hub.path_of(file.hub_file) is not None
    return PlannedFile(
        component,
        file.hub_file.repository,
        file.hub_file.commit,
        file.hub_file.path,
        file.bytes,
        cached,
        "cache" if cached and file.origin == "hub" else file.origin,
    )
