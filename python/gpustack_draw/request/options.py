"""The options that a user can choose, each declared once: name, range, title and help.

The parser of the command line, the checks of DrawRequest, the summary of a picture and its
parameters text derive from these declarations. ``--help`` imports this module, so it imports
nothing that takes long.
"""

from gpustack_draw.phrases import phrase
from gpustack_draw.request.option_types import (
    ChoiceOption,
    DecimalOption,
    FactorOption,
    IntegerOption,
    ListOption,
    SeedOption,
    StepsOption,
)
from gpustack_draw.request.step_cache import CacheOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SamplingOption = IntegerOption | DecimalOption | ListOption | ChoiceOption | CacheOption


def _falls_to_zero(levels: "Sequence[float]") -> bool:
    from array import array
    from itertools import pairwise

    levels = array("f", levels)  # as the engine has them
    return len(levels) > 1 and levels[-1] == 0 and all(a > b for a, b in pairwise(levels))


SAMPLE_STEPS = StepsOption(
    "sample_steps",
    title="number of sample steps",
    minimum=1,
    maximum=10_000,
    example=phrase("{sample_steps=20}"),
    help="number of sampling steps, 1 to 10000 (default: the model's)",
    parameter="Steps",
    summary="{} steps",
    server_fields=("sample_steps", "num_inference_steps"),
)
CFG_SCALE = DecimalOption(
    "cfg_scale",
    title="guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{cfg_scale=4.5}; 1 switches guidance off"),
    help="classifier-free guidance scale, 0 to 100; higher follows the prompt more closely, 1"
    " turns guidance off (default: the model's)",
    parameter="CFG scale",
    summary="cfg {}",
    server_fields=("cfg_scale", "true_cfg_scale", "guidance_scale"),
)
GUIDANCE = DecimalOption(
    "guidance",
    title="distilled guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{guidance=3.5}"),
    help="distilled guidance scale of FLUX models, 0 to 100; has no effect on other families"
    " (default: the model's)",
    parameter="Distilled CFG Scale",
    summary="guidance {}",
    server_fields=("guidance",),
)
IMG_CFG_SCALE = DecimalOption(
    "img_cfg_scale",
    title="image guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{img_cfg_scale=1.5}"),
    help="guidance scale of the input picture, 0 to 100; higher stays closer to it; has an effect"
    " on models that were trained to inpaint, FLUX.1 Control, InstructPix2Pix and"
    " CosXL-Edit only (default: the model's, else the guidance scale)",
    parameter="Image CFG scale",
    summary="image cfg {}",
)
CLIP_SKIP = IntegerOption(
    "clip_skip",
    title="CLIP skip",
    minimum=1,
    maximum=12,  # layers of CLIP-L, the smallest of the encoders
    example=phrase("{clip_skip=2}"),
    help="layer of the CLIP text encoders to use, counted from the last, 1 to 12; has an effect on"
    " Stable Diffusion models only (default: the model's)",
    parameter="Clip skip",
    summary="clip skip {}",
)
ETA = DecimalOption(
    "eta",
    title="noise multiplier",
    minimum=0,
    maximum=1,
    example=phrase("{eta=0.5}"),
    help="share of new noise in each step, 0 (none) to 1; has an effect on samplers that add noise:"
    " euler_a, dpm++2s_a, ddim_trailing, tcd, res_multistep, res_2s and er_sde (default: the"
    " sampler's)",
    parameter="Eta",
    summary="eta {}",
    samplers=(
        "euler_a",
        "dpm++2s_a",
        "ddim_trailing",
        "tcd",
        "res_multistep",
        "res_2s",
        "er_sde",
    ),
)
FLOW_SHIFT = DecimalOption(
    "flow_shift",
    title="flow shift",
    minimum=0.01,
    maximum=20,
    example=phrase("{flow_shift=3}"),
    help="shift of the noise schedule of flow models, 0.01 to 20; higher spends more steps on the"
    " composition, lower on details; has no effect on FLUX.2 and on Stable Diffusion 1, 2 and XL"
    " (default: the model's)",
    parameter="Shift",
    summary="shift {}",
    fixed_schedulers=("gits",),
)
SIGMAS = ListOption(
    "sigmas",
    title="a list of 2 to 1000 noise levels that fall to 0",
    element=DecimalOption(
        "sigmas", title="noise level", minimum=0, maximum=1000, example="", help=""
    ),
    most=1000,
    is_allowed=_falls_to_zero,
    example=phrase("{sigmas='1,0.75,0.5,0.25,0'}"),
    help="noise levels at which the steps start, falling to a last 0; they replace the scheduler"
    " and the number of steps; 1 is all noise, except for Stable Diffusion 1, 2 and XL, where about"
    " 14.6 is",
    parameter="Custom Sigmas",
    summary="sigmas {}",
)
SKIP_LAYERS = ListOption(
    "skip_layers",
    title="a list of different layers, each from 0 to 999",
    element=IntegerOption("", title="", minimum=0, maximum=999, example="", help=""),
    most=100,
    is_allowed=lambda layers: len(layers) == len(set(layers)),
    example=phrase("{skip_layers='7,8,9'}"),
    help="layers to skip for skip-layer guidance, which sharpens structures such as hands: the"
    " drawing is led away from what the model draws without them; has an effect on Stable Diffusion"
    " 3, FLUX, Chroma and Ovis-Image only; 7,8,9 for Stable Diffusion 3.5 medium (default: none)",
    parameter="Skip layers",
    summary="without layers {}",
)
SLG_SCALE = DecimalOption(
    "slg_scale",
    title="skip-layer guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{slg_scale=2.5}"),
    help="scale of skip-layer guidance, 0 (none) to 100 (default: 2.5)",
    parameter="SLG scale",
    summary="slg {}",
    needs="skip_layers",
)
SKIP_LAYER_START = DecimalOption(
    "skip_layer_start",
    title="share of the steps",
    minimum=0,
    maximum=1,
    example=phrase("{skip_layer_start=0.01}"),
    help="share of the steps, 0 to 1, after which skip-layer guidance starts (default: 0.01)",
    parameter="Skip layer start",
    summary="from {}",
    needs="skip_layers",
)
SKIP_LAYER_END = DecimalOption(
    "skip_layer_end",
    title="share of the steps",
    minimum=0,
    maximum=1,
    example=phrase("{skip_layer_end=0.2}"),
    help="share of the steps, 0 to 1, after which skip-layer guidance ends (default: 0.2)",
    parameter="Skip layer end",
    summary="to {}",
    needs="skip_layers",
)
CACHE = CacheOption(
    "cache",
    title="fast, spectrum, easycache, ucache, dbcache or off",
    example=phrase("{cache='fast'}"),
    help="predict the model's output in some steps from earlier ones, which takes less time: fast"
    " (spectrum from 12 steps on, else off), spectrum, ucache (UNets), easycache or dbcache (all"
    " others); the last three skip more with a higher threshold; or off (default: off)",
    parameter="Cache",
    summary="cache {}",
)
RNG = ChoiceOption(
    "rng",
    title="cuda or cpu",
    texts={"cuda": "NV", "cpu": "CPU"},
    aliases={"gpu": "cuda", "nv": "cuda"},
    example=phrase("{rng='cpu'}"),
    help="generator of the noise: cuda, which is that of web UIs and of PyTorch on GPUs, or cpu,"
    " which is that of ComfyUI and of PyTorch on CPUs (default: cuda)",
    parameter="RNG",
    summary="rng {}",
)
TILE = ChoiceOption(
    "tile",
    title="x, y, both or off",
    texts={"x": "x", "y": "y", "both": "True"},
    aliases={"off": None, "true": "both", "false": None},
    example=phrase("{tile='both'}"),
    help="draw a seamless picture, whose edges continue at the opposite ones: x for left and right,"
    " y for top and bottom, both, or off; Stable Diffusion 3, Anima and Wan cannot (default: off)",
    parameter="Tiling",
    summary="tile {}",
)
SEED = SeedOption(
    "seed",
    title="seed",
    minimum=0,
    maximum=2**63 - 1,
    example=phrase("{seed=7}, or {seed=-1} for a random one"),
    help="seed, 0 to 9223372036854775807, or -1 for a random one; the same seed draws the same"
    " picture (default: random, and printed)",
    parameter="Seed",
)
COUNT = IntegerOption(
    "count",
    title="number of pictures",
    minimum=1,
    maximum=10_000,
    example=phrase("{count=4}"),
    help="number of pictures, 1 to 10000; each seed is one more than the last (default: 1)",
)
STRENGTH = DecimalOption(
    "strength",
    title="strength",
    minimum=0,
    maximum=1,
    example=phrase("{strength=0.5}; 0 keeps the picture, 1 replaces it"),
    help="how much of the input picture is redrawn, 0 (nothing) to 1 (everything); a model that was"
    " trained to edit then starts from it (default: 0.75; for models trained to inpaint: 1)",
    parameter="Denoising strength",
    summary="strength {}",
)
MASK_BLUR = IntegerOption(
    "mask_blur",
    title="mask blur",
    minimum=0,
    maximum=64,
    example="8; 0 makes a hard edge",
    help="half the width in pixels of the blended border around a mask, 0 to 64 (default: 4)",
    parameter="Mask blur",
)
SCALE = DecimalOption(
    "scale",
    title="scale",
    minimum=0.1,
    maximum=32,
    example=phrase("{scale=2}"),
    help="factor of both sides, 0.1 to 32, scaled to by Lanczos' method after the model (default:"
    " the model's own)",
)
HIRES = FactorOption(
    "hires",
    title="scale",
    minimum=1,
    maximum=4,
    example=phrase("{hires=2}"),
    help="draw in two passes: the picture is enlarged by this factor, above 1 and up to 4, and"
    " drawn again in the larger size (default: 2)",
    parameter="Hires upscale",
)
HIRES_STEPS = StepsOption(
    "hires_steps",
    title="number of hires steps",
    minimum=1,
    maximum=1_000,
    example=phrase("{hires_steps=10}"),
    help="number of sampling steps of the second pass, 1 to 1000 (default: as many as an input"
    " picture of that strength gets)",
    parameter="Hires steps",
    summary="{} steps",
)
HIRES_STRENGTH = DecimalOption(
    "hires_strength",
    title="hires strength",
    minimum=0,
    maximum=1,
    example=phrase("{hires_strength=0.5}; 0 only enlarges the picture, 1 replaces it"),
    help="how much of the enlarged picture is redrawn, 0 (nothing) to 1 (everything) (default:"
    " 0.5)",
    parameter="Hires strength",
    summary="strength {}",
)
CONTROL_STRENGTH = DecimalOption(
    "control_strength",
    title="control strength",
    minimum=0,
    maximum=2,
    example=phrase("{control_strength=0.8}; 0 ignores the control picture"),
    help="how closely the drawing follows the control picture with a ControlNet, 0 (not at all) to"
    " 2 (default: 1)",
    summary="control strength {}",
)
THREADS = IntegerOption(
    "threads",
    title="number of threads",
    minimum=1,
    maximum=512,  # ggml's GGML_MAX_N_THREADS
    example=phrase("{threads=4}"),
    help="number of CPU threads, 1 to 512 (default: one per core)",
)
VAE_TILE_SIZE = IntegerOption(
    "vae_tile_size",
    title="tile size",
    minimum=64,
    maximum=8192,
    example=phrase("{vae_tile_size=512}"),
    help="side of the tiles in pixels, 64 to 8192; switches tiles on (default: the largest that"
    " fits, 256 or more)",
)
MAX_VRAM = DecimalOption(
    "max_vram",
    title="number of GiB",
    minimum=0.1,
    maximum=1024,
    example=phrase("{max_vram=6}"),
    help="memory of the GPU that a network may take at a time, in GiB, 0.1 to 1024; the"
    " weights are then offloaded (default: all that is free)",
)

# Options whose change makes the engine load the model again.
LOAD_OPTIONS = (RNG, TILE)
# The options that decide how a picture is sampled: the fields of SamplingOptions.
SAMPLING_OPTIONS: "tuple[SamplingOption, ...]" = (
    SAMPLE_STEPS,
    CFG_SCALE,
    GUIDANCE,
    IMG_CFG_SCALE,
    CLIP_SKIP,
    ETA,
    FLOW_SHIFT,
    SIGMAS,
    SKIP_LAYERS,
    SLG_SCALE,
    SKIP_LAYER_START,
    SKIP_LAYER_END,
    CACHE,
    *LOAD_OPTIONS,
)


SKIP_OPTIONS = (SKIP_LAYERS.name, SLG_SCALE.name, SKIP_LAYER_START.name, SKIP_LAYER_END.name)
# Skip-layer guidance where the user chose layers only; the shares are the engine's.
DEFAULT_SLG_SCALE = 2.5
SKIP_LAYER_SHARES = {SKIP_LAYER_START.name: 0.01, SKIP_LAYER_END.name: 0.2}


def text_of(option: "SamplingOption", settings: object) -> str | None:
    """Return the value of an option as the parameters of a picture hold it; ``None`` for none.

    Args:
        option: The option.
        settings: An object with a field of its name, such as DrawSettings.
    """
    value: Any = getattr(settings, option.name)
    return None if value is None else option.text(value)


def describe_sampling(settings: object) -> list[str]:
    """Return the known sampling numbers of settings as a summary shows them.

    Args:
        settings: An object with the fields of :data:`SAMPLING_OPTIONS`, such as DrawSettings.
    """
    values: list[tuple[Any, Any]] = [
        (option, getattr(settings, option.name)) for option in SAMPLING_OPTIONS
    ]
    return [option.describe(value) for option, value in values if value is not None]
