"""The estimated memory of a drawing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resolved_models import GB, weighing

from gpustack_draw.headers.header import ModelHeader, TensorInfo
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.estimate import estimate, estimate_host
from gpustack_draw.memory.memory_plan import PhaseBytes
from gpustack_draw.memory.text_encoding import kept_bytes
from gpustack_draw.memory.weights import Weights, weights_of
from gpustack_draw.memory.work import GGML_CPU, DeviceTraits, MemoryChoices, Work
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel

MIB = 2**20
FAST = DeviceTraits(
    name="FastCPU", stores_scores=False, copies_features=False, vae_copies_features=False
)
GPU = DeviceTraits(name="CUDA0", is_gpu=True, shares_memory=False)


def phases(model: ResolvedModel, size: tuple[int, int] = (512, 512), **fields: Any) -> PhaseBytes:
    width, height = size
    return estimate(Work(model=model, width=width, height=height, **fields))


def network(name: str) -> ResolvedModel:
    """Return a model with the widths of a published one."""
    family, *components = {"klein": "flux2-klein", "demo": "flux2-klein taesd"}.get(
        name, name
    ).split()
    made = weighing(family, GB, *components)
    heads, hidden = {"sd3": (24, 1536), "klein": (24, 3072), "demo": (2, 256)}.get(
        name, (made.family.heads, made.family.hidden)
    )
    return replace(made, family=replace(made.family, heads=heads, hidden=hidden))


def language_model(width: int, size: int) -> ModelFile:
    """Return a language model whose header has the width of its words only."""
    words = TensorInfo("token_embd.weight", (width, 9), "F16", 18 * width)
    header = ModelHeader("gguf", {words.name: words})
    return ModelFile("llm", Path("x.gguf"), size, header=header)


def test_threads_of_the_fast_cpu_have_buffers_of_their_own() -> None:
    """A machine with many cores is not told that a drawing fits which does not."""
    two, many = (replace(FAST, threads=threads) for threads in (2, 32))
    model = weighing("sd1", GB)
    added = phases(model, device=many).base - phases(model, device=two).base
    assert 165 * MIB <= added <= 185 * MIB
    small = weighing("sd1", 50 * MIB)
    added = phases(small, device=many).base - phases(small, device=two).base
    assert 75 * MIB <= added <= 100 * MIB
    assert phases(model, device=replace(GGML_CPU, threads=32)) == phases(model, device=GGML_CPU)


# MiB of the engine's buffers for sampling and decoding, printed by benchmarks/memory_peaks.
RESERVED = [
    ("demo", "FastCPU", (256, 256), 14.25, 56.13),
    ("demo", "FastCPU", (1600, 1600), 214, 2194),
    ("demo", "FastCPU", (2048, 2048), 340.13, 3592.0),
    ("demo", "CPU", (256, 256), 16.0, 120.13),
    ("demo", "CPU", (1280, 768), 212.25, 1801.88),
    ("demo", "CPU", (2048, 2048), 2435.63, 7688.0),
    ("sd1", "FastCPU", (512, 512), 105.29, 704.06),
    ("sd1", "FastCPU", (576, 576), 134, 892),
    ("sd1", "FastCPU", (2048, 2048), 1681.23, 11265.0),
    ("sd1", "CPU", (512, 512), 559.9, 1664.06),
    ("sd1", "CPU", (1280, 768), 7358.85, 6240.23),
    ("sd1", "CPU", (2048, 2048), 131725.06, 26625.0),
    ("sdxl", "FastCPU", (768, 768), 152.63, 2160.14),
    ("sdxl", "FastCPU", (2048, 2048), 1081.61, 15361.0),
    ("sdxl", "CPU", (512, 512), 132.05, 1920.06),
    ("sdxl", "CPU", (2048, 2048), 10854.99, 30721.0),
    ("sd3", "FastCPU", (512, 512), 63.88, 704.25),
    ("sd3", "FastCPU", (1024, 1024), 226, 2818),
    ("sd3", "FastCPU", (2048, 2048), 876, 11270),
    ("sd3", "CPU", (512, 512), 175.64, 1664.25),
    ("sd3", "CPU", (2048, 2048), 25628.9, 26628.0),
    ("flux1", "FastCPU", (512, 512), 230.5, 704.25),
    ("flux1", "FastCPU", (1600, 1600), 1820, 6878),
    ("flux1", "FastCPU", (2048, 2048), 2949.25, 11268.0),
    ("flux1", "CPU", (512, 512), 341.5, 1664.25),
    ("flux1", "CPU", (2048, 2048), 27720.25, 26628.0),
    ("klein", "FastCPU", (512, 512), 329.0, 704.5),
    ("klein", "FastCPU", (2048, 2048), 3819.5, 11272.0),
    ("klein", "CPU", (512, 512), 491.0, 1664.5),
    ("klein", "CPU", (2048, 2048), 28965.5, 26632.0),
]


@pytest.mark.parametrize(("name", "device", "size", "sampling", "decoding"), RESERVED)
def test_the_largest_phase_is_as_large_as_the_buffers_of_the_engine(
    name: str, device: str, size: tuple[int, int], sampling: float, decoding: float
) -> None:
    needed = phases(network(name), size, device=FAST if device == "FastCPU" else GGML_CPU)
    assert 1.0 <= max(needed.sampling, needed.decoding) / (max(sampling, decoding) * MIB) <= 1.07
    assert 1.0 <= needed.decoding / (decoding * MIB) <= 1.07
    assert 1.0 <= needed.sampling / (sampling * MIB) <= 1.35


# MiB of Vulkan, where flash attention and convolutions that copy features meet, and buffers
# are cut into parts of 1 GiB.
@pytest.mark.parametrize(
    ("name", "side", "sampling", "decoding"),
    [
        ("demo", 512, 31.13, 224.5),
        ("sd1", 512, 123.07, 704.06),
        ("sd1", 1024, 491.6, 2560.25),
        ("sdxl", 1024, 492.0, 3584.25),
        ("sd3", 1024, 258.8, 2561.0),
        ("klein", 512, 329.0, 704.5),
    ],
)
def test_the_buffers_of_a_gpu_with_vulkan(
    name: str, side: int, sampling: float, decoding: float
) -> None:
    vulkan = DeviceTraits(name="Vulkan0", is_gpu=True, vae_copies_features=False)
    choices = MemoryChoices(flash_attention=True)
    needed = phases(network(name), (side, side), device=vulkan, choices=choices)
    assert 1.0 <= needed.decoding / (decoding * MIB) <= 1.15
    assert 1.0 <= needed.sampling / (sampling * MIB) <= 1.15


# MiB of the buffers that encode a picture of 512x512.
@pytest.mark.parametrize(
    ("name", "device", "encoding"),
    [
        ("demo", "FastCPU", 195.0),
        ("demo", "CPU", 496.5),
        ("sd1", "FastCPU", 387.5),
        ("sd1", "CPU", 848.5),
    ],
)
def test_a_reference_is_encoded(name: str, device: str, encoding: float) -> None:
    pictures = EnginePictures(references=(np.zeros((512, 512, 3), np.uint8),))
    traits = FAST if device == "FastCPU" else GGML_CPU
    needed = phases(network(name), (64, 64), device=traits, pictures=pictures)
    assert 1.0 <= needed.decoding / (encoding * MIB) <= 1.07


def test_the_base_of_the_engine() -> None:
    """Measured on two cores: 60 to 97 MiB with CLIP, 94 to 118 with the embedded model."""
    assert 97 * MIB < phases(network("sd1"), device=FAST).base < 112 * MIB
    small = replace(network("demo"), files=(language_model(64, 22_000_000),))
    assert 104 * MIB < phases(small).base < 109 * MIB
    assert 117 * MIB < phases(small, device=FAST).base < 121 * MIB


def test_buffers_of_smaller_phases_stay_in_the_memory_of_the_process() -> None:
    """On a CPU at 512x256 the embedded model took 22 MiB more than its largest phase."""
    demo = network("demo")
    small, large = (phases(demo, size) for size in ((512, 256), (1024, 1024)))
    assert small.base - large.base == pytest.approx(small.sampling, rel=0.01)
    assert large.sampling > 32 * MIB


@pytest.mark.parametrize(("width", "kept"), [(64, 1_572_864), (1280, 31_457_280), (5120, 64 * MIB)])
def test_prompts_that_the_engine_keeps_encoded(width: int, kept: int) -> None:
    """Four of 512 tokens, each of three layers of the language model, up to a limit."""
    model = replace(network("klein"), files=(language_model(width, GB),))
    assert kept_bytes(Work(model=model, width=64, height=64)) == kept


def test_the_first_pass_may_have_the_largest_tile() -> None:
    """The tiles of a second pass of 1024x1024 are cut evenly, into sides of 672."""
    sd1, choices = network("sd1"), MemoryChoices(vae_tile=768)
    one = phases(sd1, (1024, 1024), device=FAST, choices=choices)
    two = phases(sd1, (1024, 1024), device=FAST, choices=choices, first_size=(768, 768))
    whole = phases(sd1, (768, 768), device=FAST)
    assert one.decoding < whole.decoding < two.decoding < 1.1 * whole.decoding


def test_flash_attention_on_a_gpu_stores_a_mask_unless_tokens_fill_its_blocks() -> None:
    sd1 = network("sd1")
    gpu = {"device": GPU, "choices": MemoryChoices(flash_attention=True)}
    sizes = [(side, side) for side in (1536, 1600)]
    whole, filled = (phases(sd1, size, **gpu).sampling for size in sizes)
    assert filled > 10 * whole
    assert phases(sd1, (1600, 1600), device=FAST).sampling < 1.1 * whole * 1600**2 / 1536**2


def test_both_conditions_of_a_small_picture_are_evaluated_at_once() -> None:
    sd1 = network("sd1")
    for side, share in ((384, 2), (392, 1)):
        one, both = (
            phases(sd1, (side, side), device=replace(FAST, evaluates_pairs=pairs)).sampling
            for pairs in (False, True)
        )
        assert both == share * one


def test_tiles_need_less_than_the_picture() -> None:
    """The phases do not depend on the tiles, except that which decodes."""
    sd1 = network("sd1")
    peaks = [
        phases(sd1, (2048, 2048), device=FAST, choices=MemoryChoices(vae_tile=tile))
        for tile in (None, 1024, 512, 256)
    ]
    decoding = [needed.decoding for needed in peaks]
    assert decoding == sorted(decoding, reverse=True)
    assert decoding[2] < 1.4 * 704 * MIB + 2048**2 * 40
    assert len({needed.sampling for needed in peaks}) == 1


def test_a_file_for_two_components_counts_once() -> None:
    assert phases(weighing("flux2-klein", 5 * GB, "taesd")).weights == 5 * GB


def test_additions_take_the_memory_of_their_files() -> None:
    light = weighing("flux2-klein", GB)
    assert phases(light, addition_bytes=GB).peak == phases(light).peak + GB


def test_loras_change_a_transformer_while_it_runs() -> None:
    """MiB of the engine's buffers for FLUX.1 and klein, with a LoRA for all matrices."""
    for name, size, sampling in (("flux1", 1024, 831.25), ("klein", 1024, 1119.5)):
        plain = phases(network(name), (size, size), device=FAST)
        with_lora = phases(network(name), (size, size), device=FAST, addition_bytes=1)
        assert plain.sampling < sampling * MIB < with_lora.sampling
    sd1 = network("sd1")
    assert phases(sd1, addition_bytes=1).sampling == phases(sd1).sampling


def tensor(name: str, shape: tuple[int, ...], kind: str, count: int) -> TensorInfo:
    return TensorInfo(name, shape, kind, count)


def all_in_one() -> ResolvedModel:
    tensors = [
        tensor("model.diffusion_model.input_blocks.0.0.weight", (3, 3, 4, 320), "F32", 46_080),
        tensor("model.diffusion_model.input_blocks.0.0.bias", (320,), "F16", 640),
        tensor("model.diffusion_model.to_q.weight", (320, 320), "F16", 204_800),
        tensor("cond_stage_model.transformer.q.weight", (768, 768), "F16", 1_179_648),
        tensor("first_stage_model.encoder.conv_in.weight", (3, 3, 3, 128), "F16", 6_912),
        tensor("first_stage_model.decoder.conv_in.weight", (3, 3, 4, 512), "F16", 36_864),
        tensor("model_ema.to_q", (320, 320), "F16", 204_800),
    ]
    header = ModelHeader("safetensors", {each.name: each for each in tensors})
    file = ModelFile("model", Path("x.safetensors"), header.tensor_bytes, header=header)
    return replace(weighing("sd1", 0), files=(file,))


def test_weights_count_in_the_types_that_the_engine_loads() -> None:
    """Convolutions in F16, vectors in F32; half of the VAE and averages are not loaded."""
    work = Work(model=all_in_one(), width=64, height=64)
    diffusion = 2 * 9 * 4 * 320 + 4 * 320 + 204_800
    assert weights_of(work) == Weights(text=1_179_648, diffusion=diffusion, autoencoder=36_864)
    encoding = replace(work, starts_from_picture=True)
    assert weights_of(encoding).autoencoder == 36_864 + 6_912
    converted = replace(work, choices=MemoryChoices(weight_type="q8_0"))
    assert weights_of(converted).text == 768 * 768 // 32 * 34
    assert weights_of(converted).autoencoder == 36_864


def test_a_header_with_a_few_tensors_does_not_count() -> None:
    """A text model on the hub has one."""
    model = all_in_one()
    large = replace(model.files[0], bytes=GB)
    assert weights_of(Work(model=replace(model, files=(large,)), width=64, height=64)).total == GB


def test_a_gpu_has_what_is_not_kept_on_the_cpu() -> None:
    model = all_in_one()
    whole = phases(model, device=GPU)
    weights = weights_of(Work(model=model, width=64, height=64))
    assert whole.weights == weights.total
    choices = MemoryChoices(clip_on_cpu=True, vae_on_cpu=True)
    split = Work(model=model, width=512, height=512, device=GPU, choices=choices)
    assert estimate(split) == replace(whole, weights=weights.diffusion, text=0, decoding=0)
    host = estimate_host(split)
    assert host.weights == weights.text + weights.autoencoder
    assert host.decoding == phases(model, device=FAST).decoding


def test_offloaded_weights_are_on_the_gpu_while_their_network_runs() -> None:
    model = all_in_one()
    weights = weights_of(Work(model=model, width=64, height=64))
    whole = phases(model, device=GPU)
    choices = MemoryChoices(offload=True)
    work = Work(model=model, width=512, height=512, device=GPU, choices=choices)
    assert estimate(work) == replace(
        whole,
        weights=0,
        text=whole.text + weights.text,
        sampling=whole.sampling + weights.diffusion,
        decoding=whole.decoding + weights.autoencoder,
    )
    assert estimate_host(work).weights == weights.total
    limited = estimate(replace(work, choices=replace(choices, max_vram=0.0001)))
    assert limited.sampling == whole.sampling


def test_flash_attention_on_a_gpu_saves_the_scores() -> None:
    sd1 = network("sd1")
    plain = phases(sd1, (1024, 1024), device=GPU)
    flash = phases(sd1, (1024, 1024), device=GPU, choices=MemoryChoices(flash_attention=True))
    assert flash.sampling * 10 < plain.sampling
    assert flash.decoding == plain.decoding


@pytest.mark.parametrize(
    ("family", "size", "sampling", "decoding"),
    [
        ("wan", (576, 576), 64.47, 2432.85),
        ("wan", (1024, 1024), 201.0, 7685.5),
        ("wan-ti2v", (64, 64), 0, 64**2 * 10_300 / MIB),
    ],
)
def test_a_video_model(
    family: str, size: tuple[int, int], sampling: float, decoding: float
) -> None:
    model = weighing(family, GB)
    hidden = replace(model.family, hidden=1536, heads=12)
    needed = phases(replace(model, family=hidden), size, device=FAST)
    assert 1.0 <= needed.decoding / (decoding * MIB) <= 1.07
    assert sampling * MIB <= needed.sampling
    assert needed.text >= 297 * MIB


def test_references_count_as_tokens_and_as_pictures_to_encode() -> None:
    klein = network("demo")
    reference = np.zeros((1024, 1024, 3), np.uint8)
    pictures = EnginePictures(references=(reference, reference))
    needed = phases(klein, device=FAST, pictures=pictures)
    assert needed.sampling > 5 * phases(klein, device=FAST).sampling
    assert needed.inputs == 2 * 1024**2 * 60
    one = EnginePictures(references=(reference,))
    sd1 = network("sd1")
    # A UNet reads a reference beside the latent.
    assert phases(sd1, pictures=one).sampling == phases(sd1).sampling


def test_a_masked_picture() -> None:
    klein = weighing("flux2-klein", 4 * GB)
    pictures = EnginePictures(
        image=np.zeros((512, 512, 3), np.uint8), mask=np.zeros((512, 512), np.uint8)
    )
    assert phases(klein, pictures=pictures).inputs == 2 * 512 * 512 * 60


def test_a_control_net_has_a_buffer_of_its_own() -> None:
    """It keeps the scores of its attention on every device."""
    sd1 = network("sd1")
    with_net = replace(sd1, family=sd1.family.with_control_net())
    pictures = EnginePictures(control=np.zeros((1024, 1024, 3), np.uint8))
    scores = 128**4 * 8 * 4
    for device in (FAST, GGML_CPU):
        plain = phases(with_net, (1024, 1024), device=device)
        both = phases(with_net, (1024, 1024), device=device, pictures=pictures)
        assert scores < both.sampling - plain.sampling < 1.15 * scores
        assert plain == phases(sd1, (1024, 1024), device=device)


def test_the_estimate_grows_with_the_picture() -> None:
    small = weighing("sd1", 2 * GB)
    sizes = [phases(small, (side, side)).peak for side in (64, 256, 512, 1024, 8192)]
    assert sizes == sorted(sizes)
    assert phases(small, (8192, 8192)).peak > 500 * GB
