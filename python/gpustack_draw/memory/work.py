"""A drawing as the estimate of its memory sees it."""

from dataclasses import dataclass, replace

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.tiles import Tiles, tiles_of


@dataclass(frozen=True, kw_only=True)
class DeviceTraits:
    """How a device uses memory.

    Attributes:
        name: Name of the device, such as ``CUDA0``.
        is_gpu: True for a GPU.
        shares_memory: True if it computes in the memory of the machine, as a CPU does.
        stores_scores: True if attention stores its scores, unless flash attention is chosen.
        copies_features: True if the convolutions of the network copy their feature maps.
        vae_copies_features: True if those of the VAE do.
        evaluates_pairs: True if a UNet evaluates both conditions of a step at once, where pictures
            are small.
        free_bytes: Free memory of the device; ``None`` if the driver does not report it, and for
            a CPU.
        threads: CPU threads.
    """

    name: str
    is_gpu: bool = False
    shares_memory: bool = True
    stores_scores: bool = True
    copies_features: bool = True
    vae_copies_features: bool = True
    evaluates_pairs: bool = False
    free_bytes: int | None = None
    threads: int = 1


# The CPU with ggml's own code, which every build has.
GGML_CPU = DeviceTraits(name="CPU")


@dataclass(frozen=True, kw_only=True)
class MemoryChoices:
    """How a drawing is made to fit, as the user or the plan chose it.

    Attributes:
        vae_tile: Side of the tiles that the VAE decodes and encodes, in pixels; ``None`` for the
            whole picture at once.
        flash_attention: Attention without stored scores, on a GPU.
        clip_on_cpu: The text encoders stay on the CPU.
        vae_on_cpu: The VAE stays on the CPU.
        offload: The weights stay in the memory of the machine and are copied to the GPU when a
            model runs.
        max_vram: GiB of the GPU that a network may take at a time, with ``offload``; ``None`` for
            all.
        weight_type: Type that the weights are converted to while they are loaded.
    """

    vae_tile: int | None = None
    flash_attention: bool = False
    clip_on_cpu: bool = False
    vae_on_cpu: bool = False
    offload: bool = False
    max_vram: float | None = None
    weight_type: str | None = None

    @property
    def loading(self) -> "MemoryChoices":
        """The choices that decide how the model is loaded, without those of a single drawing."""
        return replace(self, vae_tile=None)


AS_IS = MemoryChoices()


@dataclass(frozen=True, kw_only=True)
class Work:
    """A drawing as the estimate of its memory sees it.

    Attributes:
        model: The model.
        width: Width of the larger pass in pixels.
        height: Height of the larger pass in pixels.
        pictures: Input pictures; ``None`` for none.
        starts_from_picture: True if it starts from a picture, even if ``pictures`` has none, as a
            second pass does.
        device: Where it is computed.
        choices: How it is made to fit.
        addition_bytes: Bytes of the weights beside the model's: LoRAs, and an upscaling model.
        seamless: ``x``, ``y`` or ``both`` for a picture whose edges continue at the opposite ones.
        first_size: Width and height of a first pass that is decoded, too; ``None`` for none.
    """

    model: ResolvedModel
    width: int
    height: int
    pictures: EnginePictures | None = None
    starts_from_picture: bool = False
    device: DeviceTraits = GGML_CPU
    choices: MemoryChoices = AS_IS
    addition_bytes: int = 0
    seamless: str | None = None
    first_size: tuple[int, int] | None = None

    @property
    def encodes_pictures(self) -> bool:
        """True if the VAE encodes a picture, too."""
        return self.starts_from_picture or self.pictures is not None

    @property
    def tiles(self) -> Tiles | None:
        """The tiles of the largest picture; ``None`` if each is decoded and encoded at once."""
        references = () if self.pictures is None else self.pictures.references
        width = max(self.width, *(array.shape[1] for array in references), 0)
        height = max(self.height, *(array.shape[0] for array in references), 0)
        return self.tiles_of((width, height))

    def tiles_of(self, size: tuple[int, int]) -> Tiles | None:
        """Return the tiles of a picture; ``None`` if it is decoded and encoded at once.

        Args:
            size: Its width and height in pixels.
        """
        if self.choices.vae_tile is None:
            return None
        return tiles_of(self.model.family, size, self.choices.vae_tile, self.seamless)
