"""Estimated memory of a drawing, phase by phase.

Each phase is the buffer that the engine reserves before it computes, derived from the graph of its
network; benchmarks/memory_peaks compares the sum with the memory that drawings really take.
"""

from dataclasses import replace

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.decoding import decoding_bytes
from gpustack_draw.memory.memory_plan import PhaseBytes
from gpustack_draw.memory.sampling import sampling_bytes
from gpustack_draw.memory.text_encoding import kept_bytes, text_bytes
from gpustack_draw.memory.weights import Weights, weights_of
from gpustack_draw.memory.work import DeviceTraits, MemoryChoices, Work

# The program with its libraries and the vocabulary of CLIP; and the vocabulary of a language model,
# or of Wan's T5, which knows as many languages.
_BASE_BYTES = 54_000_000
_VOCABULARY_BYTES = 49_000_000
_LARGE_VOCABULARY = 100_000
# Scratch memory: operands that kernels pack, as a share of the weights and at most.
_SCRATCH_SHARE = 0.4
_SCRATCH_BYTES = 45_000_000
# The C library keeps freed buffers up to this size for later use: the maximum of M_MMAP_THRESHOLD
# of mallopt(3). So the smaller phases leave theirs beside the largest one.
_LARGEST_KEPT_BUFFER = 32 * 2**20
# Additional memory of the device FastCPU, and of each of its threads beyond two: 30 more added 75
# to 91 MiB to a drawing of the embedded model.
_FAST_BYTES = 12_000_000
_FAST_THREAD_BYTES = 3 * 2**20
# Columns of a large matrix product that each of these threads packs: as a share of the weights and
# at most, max_columns_size of cpp/cpu/operations/strassen_gemm.cpp.
_FAST_COLUMNS_SHARE = 0.005
_FAST_COLUMNS_BYTES = 3 * 2**20
# Buffers of a driver, and of a backend beside its graphs. Vulkan's allocates less than 1 MB,
# the rest of its bytes is for shaders. Not measured on other GPUs.
_VULKAN_BASE_BYTES = 20_000_000
_GPU_BASE_BYTES = 100_000_000
# An input picture, per pixel: its bytes in both processes, and the numbers that the engine makes of
# them.
_INPUT_BYTES_PER_PIXEL = 60
# Alignment of buffers and holes between them, as a share of the bytes.
_ROUNDING = 1.03
# The CPU of this project, which computes what is kept off a GPU, but with that GPU's attention.
_HOST = DeviceTraits(name="FastCPU", copies_features=False, vae_copies_features=False)


def estimate(work: Work, weights: Weights | None = None) -> PhaseBytes:
    """Estimate the memory of loading a model and drawing one picture, on the device that computes.

    The weights stay in memory, and so do the input pictures. Encoding the prompt, sampling and
    decoding follow each other, each with a buffer of its own.

    Args:
        work: The drawing.
        weights: Its weights; ``None`` to count them.
    """
    if weights is None:
        weights = weights_of(work)
    if work.device.is_gpu:
        return _on_gpu(work, weights)
    text = _rounded(text_bytes(work))
    sampling = _rounded(sampling_bytes(work))
    decoding = _rounded(decoding_bytes(work))
    *smaller, _ = sorted((text, sampling, decoding))
    left = sum(each for each in smaller if each <= _LARGEST_KEPT_BUFFER)
    return PhaseBytes(
        base=_base_bytes(work, weights.total) + left,
        weights=weights.total,
        inputs=_input_bytes(work),
        text=text,
        sampling=sampling,
        decoding=decoding,
    )


def estimate_host(work: Work, weights: Weights | None = None) -> PhaseBytes:
    """Estimate the memory of the machine that a drawing on a GPU needs, beside that of the GPU.

    Args:
        work: The drawing.
        weights: Its weights; ``None`` to count them.
    """
    if weights is None:
        weights = weights_of(work)
    choices = work.choices
    host = replace(work, device=_HOST, choices=MemoryChoices(vae_tile=choices.vae_tile))
    if not choices.offload:
        weights = Weights(
            text=weights.text * choices.clip_on_cpu,
            autoencoder=weights.autoencoder * choices.vae_on_cpu,
        )
    return PhaseBytes(
        base=_base_bytes(work, weights.total),
        weights=weights.total,
        inputs=_input_bytes(work),
        text=_rounded(text_bytes(host)) * choices.clip_on_cpu,
        decoding=_rounded(decoding_bytes(host)) * choices.vae_on_cpu,
    )


def _on_gpu(work: Work, weights: Weights) -> PhaseBytes:
    choices = work.choices
    base = _VULKAN_BASE_BYTES if work.device.name.startswith("Vulkan") else _GPU_BASE_BYTES
    weights = Weights(
        text=weights.text * (not choices.clip_on_cpu),
        diffusion=weights.diffusion,
        autoencoder=weights.autoencoder * (not choices.vae_on_cpu),
    )
    text = _rounded(text_bytes(work)) * (not choices.clip_on_cpu)
    sampling = _rounded(sampling_bytes(work))
    decoding = _rounded(decoding_bytes(work)) * (not choices.vae_on_cpu)
    if not choices.offload:
        return PhaseBytes(
            base=base,
            weights=weights.total,
            text=text,
            sampling=sampling,
            decoding=decoding,
        )
    return PhaseBytes(
        base=base,
        weights=0,
        text=_offloaded(weights.text, text, choices),
        sampling=_offloaded(weights.diffusion, sampling, choices),
        decoding=_offloaded(weights.autoencoder, decoding, choices),
    )


def _offloaded(weights: int, computed: int, choices: MemoryChoices) -> int:
    """Return the bytes of a network whose weights are on the GPU only while it runs."""
    whole = weights + computed
    if choices.max_vram is None:
        return whole
    return max(computed, min(whole, int(choices.max_vram * 2**30)))


def _rounded(count: int) -> int:
    return int(count * _ROUNDING)


def _base_bytes(work: Work, weights: int) -> int:
    family = work.model.family
    base = _BASE_BYTES + min(_SCRATCH_BYTES, int(_SCRATCH_SHARE * weights)) + kept_bytes(work)
    if "llm" in family.requires or family.t5_tokens > _LARGE_VOCABULARY:
        base += _VOCABULARY_BYTES
    if not work.device.copies_features:
        columns = min(_FAST_COLUMNS_BYTES, int(_FAST_COLUMNS_SHARE * weights))
        base += _FAST_BYTES + (_FAST_THREAD_BYTES + columns) * max(0, work.device.threads - 2)
    return base


def _input_bytes(work: Work) -> int:
    pictures = work.pictures or EnginePictures()
    sized = sum(array is not None for array in (pictures.mask, pictures.control))
    sized += work.starts_from_picture or pictures.image is not None
    pixels = sized * work.width * work.height
    pixels += sum(int(array.shape[0] * array.shape[1]) for array in pictures.references)
    return pixels * _INPUT_BYTES_PER_PIXEL
