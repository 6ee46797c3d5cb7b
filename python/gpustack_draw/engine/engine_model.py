"""A model in the engine: loaded when a drawing needs it, and again when it needs other settings."""

from collections.abc import Sequence
from pathlib import Path

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.embedding_files import EmbeddingFiles
from gpustack_draw.engine.load_numbers import load_numbers
from gpustack_draw.engine.pass_memory import tile_numbers
from gpustack_draw.engine.passes import Pass
from gpustack_draw.engine.picture_progress import PictureProgress
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import DrawResult, EngineLora
from gpustack_draw.errors import BlankPictureError, ModelNotFoundError, quoted
from gpustack_draw.memory.work import AS_IS, MemoryChoices, Work
from gpustack_draw.phrases import phrase
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.resolved_model import ResolvedModel


class EngineModel:
    """A model in the engine; not thread-safe."""

    def __init__(
        self,
        model: ResolvedModel,
        engine: CoreEngine | EngineProcess,
        *,
        threads: int,
        device: str,
        on_log: LogFunction | None,
    ) -> None:
        """Create it; the first drawing loads the model.

        Args:
            model: The model.
            engine: The engine, which has no other model.
            threads: CPU threads; 0 for one per core.
            device: ``auto`` or the name of a device.
            on_log: Called with level and text of each line of the engine's log.
        """
        self._model = model
        self._engine = engine
        # Absolute, because the current folder may change before the first drawing.
        self._files = {file.component: str(file.path.absolute()) for file in model.files}
        self._embeddings = EmbeddingFiles()
        self._threads = threads
        self._device = device
        self._on_log = on_log
        self.forget()

    def forget(self) -> None:
        """Make the next drawing load the model, whatever the engine has loaded."""
        self._loaded_on = ""
        self._encodes_pictures = False
        self._load_numbers: dict[str, float] = {}
        self._choices = AS_IS

    @property
    def is_loaded(self) -> bool:
        """True if the engine has the model."""
        return bool(self._loaded_on) and self._engine.is_loaded

    @property
    def device(self) -> str:
        """Name of the device that the model was loaded on; empty if it is not loaded."""
        return self._loaded_on

    @property
    def choices(self) -> MemoryChoices | None:
        """How it was made to fit into the memory; ``None`` if it is not loaded."""
        return self._choices if self.is_loaded else None

    def is_ready_for(self, one: Pass, choices: MemoryChoices) -> bool:
        """Return True if the engine has the model with everything that a pass needs.

        Args:
            one: The pass.
            choices: How it is made to fit into the memory.
        """
        encodes = self._encodes_pictures or not one.needs_encoder(self._model.family)
        same = self._load_numbers == load_numbers(one.settings, choices)
        return self.is_loaded and encodes and same and self._embeddings.are_complete

    def embedding_hashes(self, settings: DrawSettings) -> dict[str, str]:
        """Return the hashes of the embeddings that prompts name."""
        return self._embeddings.hashes_in(settings)

    def draw(
        self,
        one: Pass,
        progress: PictureProgress,
        *,
        work: Work,
        choices: MemoryChoices,
        loras: Sequence[EngineLora],
        previews: str,
    ) -> DrawResult:
        """Draw a pass, and load the model before if necessary.

        Args:
            one: The pass.
            progress: Receives the progress.
            work: Its memory.
            choices: How it is made to fit.
            loras: The LoRAs of the drawing.
            previews: How previews are made: ``none``, ``projected`` or ``decoded``.

        Raises:
            BlankPictureError: NaN was computed.
            EngineError: The engine failed; EngineCrashed if its process ended.
        """
        self.load(one, progress, choices)
        keywords = one.keywords(self._model)
        keywords["numbers"] |= tile_numbers(one, work, choices)
        try:
            return self._engine.draw(
                **keywords,
                loras=loras,
                previews=previews,
                on_progress=progress,
                on_log=self._on_log,
            )
        except BlankPictureError as error:
            raise no_picture(self._model, "drew no picture: its numbers overflowed") from error

    def enlarge(self, first: Pass, drawn: DrawResult, progress: PictureProgress) -> DrawResult:
        """Enlarge the picture of a first pass with its upscaling model.

        Args:
            first: The pass.
            drawn: Its picture.
            progress: Receives the progress.
        """
        return self._engine.upscale(
            first.finished(drawn),
            model=first.upscaler_path,
            threads=self._threads,
            device=self._device,
            on_progress=progress,
            on_log=self._on_log,
        )

    def load(self, one: Pass, progress: PictureProgress, choices: MemoryChoices) -> None:
        """Load the model, unless it is loaded with everything that a pass needs.

        Args:
            one: The pass.
            progress: Receives the progress.
            choices: How it is made to fit into the memory.
        """
        if self.is_ready_for(one, choices):
            return
        numbers = load_numbers(one.settings, choices)
        encode_pictures = one.needs_encoder(self._model.family)
        self._loaded_on = ""
        missing = next((path for path in self._files.values() if not Path(path).exists()), None)
        if missing is not None:
            raise ModelNotFoundError(
                f"{quoted(missing)} no longer exists",
                hint="put the file back, or load the model again",
            )
        self._embeddings.write(self._model.embeddings)
        result = self._engine.load(
            files=self._files,
            embeddings=self._embeddings.paths,
            threads=self._threads,
            device=self._device,
            switches=self._model.family.switches,
            numbers=numbers,
            encode_pictures=encode_pictures,
            on_progress=progress,
            on_log=self._on_log,
        )
        self._loaded_on = result.device
        self._encodes_pictures = encode_pictures
        self._load_numbers = numbers
        self._choices = choices.loading

    def close(self) -> None:
        """Free the model and end its process."""
        self.forget()
        self._engine.close()
        self._embeddings.remove()


def no_picture(model: ResolvedModel, problem: str) -> BlankPictureError:
    """Return the error of a drawing without a picture.

    Args:
        model: The model that drew it.
        problem: What the model did.
    """
    return BlankPictureError(
        f"{quoted(model.name)} {problem}",
        hint=phrase("try another quantization of the model, another {vae}, or another {seed}"),
    )
