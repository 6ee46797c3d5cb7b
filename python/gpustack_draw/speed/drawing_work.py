"""The work of a drawing, phase by phase."""

from collections.abc import Iterator
from dataclasses import dataclass

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.denoising_start import denoising_start, last_steps
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.tiles import Tiles, tiles_of
from gpustack_draw.speed.network_work import (
    decoding_operations,
    evaluation_operations,
    network_bytes,
    prompt_operations,
)

# Samplers that evaluate the model twice in each step but the last one.
_TWO_EVALUATIONS = frozenset({"heun", "dpm2", "dpm++2s_a", "res_2s"})


@dataclass(frozen=True, kw_only=True)
class PhaseWork:
    """A phase of a drawing: what computes, and how much.

    Attributes:
        phase: ``load``, ``encode_pictures``, ``encode``, ``sample`` or ``decode``.
        network: What computes: texts of equal networks are equal.
        operations: Floating-point operations of a unit; bytes for ``load``.
        units: Number of units: evaluations of the model for ``sample``, prompts for ``encode``,
            tiles for ``encode_pictures`` and ``decode``.
        variant: What else changes the seconds of a unit, such as LoRAs, or a cache that skips some
            of them; empty for nothing.
    """

    phase: str
    network: str
    operations: float
    units: int = 1
    variant: str = ""


def drawing_work(
    model: ResolvedModel,
    settings: DrawSettings,
    pictures: EnginePictures | None = None,
    *,
    vae_tile: int | None = None,
) -> tuple[PhaseWork, ...]:
    """Return the work of each phase; a second pass has phases of its own.

    An upscaling model is not included, and neither is loading LoRAs.

    Args:
        model: The model.
        settings: The drawing.
        pictures: Its input pictures; ``None`` for none.
        vae_tile: Side of the tiles of the VAE in pixels; ``None`` for whole pictures.
    """
    pictures = pictures or EnginePictures()
    operations, encoder_bytes = prompt_operations(model)
    has_negative = settings.cfg_scale not in (None, 1.0)
    work = [
        PhaseWork(phase="load", network="files", operations=model.weight_bytes),
        PhaseWork(
            phase="encode",
            network=f"{model.family.name} {encoder_bytes}",
            operations=operations,
            units=2 if has_negative else 1,
        ),
    ]
    size = settings.width, settings.height
    vae = _Autoencoder(model, vae_tile, settings.tile)
    encoded = [(int(array.shape[1]), int(array.shape[0])) for array in pictures.references]
    if pictures.image is not None:
        encoded.append(size)
    evaluations = _evaluations(_run_steps(settings, pictures, model.family), settings)
    work += vae.encoding(encoded)
    work += _pass(model, settings, size, evaluations, pictures)
    hires = settings.hires
    if hires is not None:
        second = hires.width, hires.height
        if not hires.is_latent:
            work += [vae.decoding(size), *vae.encoding([second])]
        work += _pass(model, settings, second, _evaluations(hires.steps, settings), pictures)
        size = second
    return (*work, vae.decoding(size))


def _pass(
    model: ResolvedModel,
    settings: DrawSettings,
    size: tuple[int, int],
    evaluations: int,
    pictures: EnginePictures,
) -> Iterator[PhaseWork]:
    family = model.family
    references = sum(int(array.shape[0] * array.shape[1]) for array in pictures.references)
    has_control_net = pictures.control is not None and family.pictures.control_net
    variant = [
        "loras" if settings.loras else "",
        "control net" if has_control_net else "",
        f"cache {settings.cache}" if settings.cache else "",
    ]
    yield PhaseWork(
        phase="sample",
        network=f"{family.name} {family.hidden} {network_bytes(model)}",
        operations=evaluation_operations(model, size[0] * size[1], references),
        units=evaluations,
        variant=", ".join(filter(None, variant)),
    )


@dataclass(frozen=True)
class _Autoencoder:
    """The VAE of a model, or its tiny autoencoder.

    Attributes:
        model: The model.
        tile: Side of its tiles in pixels; ``None`` for whole pictures.
        seamless: The axes along which pictures are not cut.
    """

    model: ResolvedModel
    tile: int | None
    seamless: str | None

    def decoding(self, size: tuple[int, int]) -> PhaseWork:
        """Return the work of decoding a picture."""
        tiles = self._tiles(size)
        if tiles is None:
            return self._work("decode", size[0] * size[1], 1)
        return self._work("decode", tiles.pixels, tiles.count)

    def encoding(self, sizes: list[tuple[int, int]]) -> Iterator[PhaseWork]:
        """Yield the work of encoding pictures, which takes about as long as decoding them."""
        whole = 0
        for size in sizes:
            tiles = self._tiles(size)
            if tiles is None:
                whole += size[0] * size[1]
                continue
            # Larger tiles, and so fewer of them.
            count = -(-tiles.count * tiles.pixels // tiles.encoded_pixels)
            yield self._work("encode_pictures", tiles.encoded_pixels, count)
        if whole:
            yield self._work("encode_pictures", whole, 1)

    def _tiles(self, size: tuple[int, int]) -> Tiles | None:
        if self.tile is None:
            return None
        return tiles_of(self.model.family, size, self.tile, self.seamless)

    def _work(self, phase: str, pixels: int, count: int) -> PhaseWork:
        operations, decoder = decoding_operations(self.model, pixels)
        network = f"{decoder} {self.model.family.latent_channels}"
        return PhaseWork(phase=phase, network=network, operations=operations, units=count)


def _run_steps(settings: DrawSettings, pictures: EnginePictures, family: Family) -> int:
    steps = settings.sample_steps or 1
    if pictures.image is None:
        return steps
    strength = settings.strength
    if strength is None:
        strength = family.pictures.default_strength(masked=pictures.mask is not None)
    if settings.scheduler is None:  # beside noise levels
        return last_steps(strength, steps).run_steps
    return denoising_start(strength, steps, settings.scheduler).run_steps


def _evaluations(steps: int, settings: DrawSettings) -> int:
    per_step = 1 + (settings.cfg_scale not in (None, 1.0))
    per_step += settings.img_cfg_scale not in (None, 1.0, settings.cfg_scale)
    per_step += bool(settings.slg_scale)
    calls = 2 * steps - 1 if settings.sampler in _TWO_EVALUATIONS else steps
    return per_step * calls
