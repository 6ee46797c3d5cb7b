"""Choosing a file of a repository by its tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.errors import ModelNotFoundError
from gpustack_draw.hub.choose_file import FALLBACK_TAGS, choose_file, quantization_of

# File names of publishers.
GPUSTACK = [
    "README.md",
    "stable-diffusion-v3-5-medium-FP16.gguf",
    "stable-diffusion-v3-5-medium-Q4_0.gguf",
    "stable-diffusion-v3-5-medium-Q4_1.gguf",
    "stable-diffusion-v3-5-medium-Q8_0.gguf",
    "stable-diffusion-v3-5-medium-pure-Q4_0.gguf",
    "stable-diffusion-v3-5-medium-pure-Q8_0.gguf",
]
LEEJET_FLUX = [f"flux1-schnell-{tag}.gguf" for tag in ("q2_k", "q3_k", "q4_0", "q4_k", "q8_0")]
LEEJET_Z_IMAGE = [
    f"z_image_turbo-{tag}.gguf" for tag in ("Q2_K", "Q3_K", "Q4_0", "Q4_K", "Q5_0", "Q6_K", "Q8_0")
]
CITY96 = [f"flux1-dev-{tag}.gguf" for tag in ("F16", "Q2_K", "Q4_0", "Q4_K_S", "Q8_0")]
CITY96_SD35 = ["sd3.5_large_turbo-Q4_0.gguf", "sd3.5_large_turbo-F16.gguf"]
UNSLOTH = [
    "ernie-image-UD-Q4_K_M.gguf",
    "ernie-image-Q4_K_M.gguf",
    "ernie-image-BF16.gguf",
    "ernie-image-IQ4_XS.gguf",
]
QWEN_IMAGE = [
    "Qwen_Image-Q4_K_M.gguf",
    "Qwen_Image-Q4_K_S.gguf",
    "VAE/Qwen_Image-VAE.safetensors",
    "mmproj/Qwen2.5-VL-7B-Instruct.mmproj-Q8_0.gguf",
]
WAN = [
    "HighNoise/Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf",
    "LowNoise/Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf",
    "VAE/Wan2.1_VAE.safetensors",
]
SECOND_STATE = [
    "ae.safetensors",
    "clip_g-Q8_0.gguf",
    "clip_l-Q8_0.gguf",
    "sd3.5_medium-Q4_0.gguf",
    "sd3.5_medium-Q8_0.gguf",
    "t5xxl-Q4_0.gguf",
    "t5xxl-Q8_0.gguf",
]
SHARDS = [
    "BF16/flux-BF16-00001-of-00002.gguf",
    "BF16/flux-BF16-00002-of-00002.gguf",
    "flux-Q8_0-00001-of-00001.gguf",
]
ENCODERS = ["umt5-xxl-encoder-Q8_0.gguf", "umt5-xxl-encoder-F16.gguf"]
CALCUIS = [
    "cow-umt5xxl-q4_0.gguf",
    "pig_wan_vae_fp32-f16.gguf",
    "wan2.1_t2v_1.3b-q4_0.gguf",
    "wan2.1_t2v_1.3b-q8_0.gguf",
]
MIXED = [
    "z-image-Q4_0.gguf",
    "Qwen3-4B-Instruct-2507-Q4_0.gguf",
    "aesthetic-anime-F16.gguf",
    "sd3_medium_incl_clips_t5xxlfp16-Q5_0.gguf",
    "model_with_vae-Q5_1.gguf",
    "llm-Q5_1.gguf",
    "clipart-diffusion-Q6_K.gguf",
]


@pytest.mark.parametrize(
    ("paths", "tag", "expected"),
    [
        (GPUSTACK, "Q4_0", "stable-diffusion-v3-5-medium-Q4_0.gguf"),
        (GPUSTACK, "q4_0", "stable-diffusion-v3-5-medium-Q4_0.gguf"),
        (GPUSTACK, "pure-Q4_0", "stable-diffusion-v3-5-medium-pure-Q4_0.gguf"),
        (GPUSTACK, "PURE-q8_0", "stable-diffusion-v3-5-medium-pure-Q8_0.gguf"),
        (GPUSTACK, "FP16", "stable-diffusion-v3-5-medium-FP16.gguf"),
        (GPUSTACK, "f16", "stable-diffusion-v3-5-medium-FP16.gguf"),
        (LEEJET_FLUX, "Q4_0", "flux1-schnell-q4_0.gguf"),
        (LEEJET_FLUX, "Q4_K", "flux1-schnell-q4_k.gguf"),
        (LEEJET_Z_IMAGE, "Q4_K", "z_image_turbo-Q4_K.gguf"),
        (CITY96, "FP16", "flux1-dev-F16.gguf"),
        (CITY96, "Q4_K_S", "flux1-dev-Q4_K_S.gguf"),
        (CITY96_SD35, "Q4_0", "sd3.5_large_turbo-Q4_0.gguf"),
        (UNSLOTH, "UD-Q4_K_M", "ernie-image-UD-Q4_K_M.gguf"),
        (UNSLOTH, "ud-q4_k_m", "ernie-image-UD-Q4_K_M.gguf"),
        (UNSLOTH, "Q4_K_M", "ernie-image-Q4_K_M.gguf"),
        (UNSLOTH, "bf16", "ernie-image-BF16.gguf"),
        (UNSLOTH, "IQ4_XS", "ernie-image-IQ4_XS.gguf"),
        (QWEN_IMAGE, "Q4_K_M", "Qwen_Image-Q4_K_M.gguf"),
        (WAN, "HighNoise/Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf", WAN[0]),
        (WAN, "wan2.2-t2v-a14b-lownoise-q4_k_m.gguf", WAN[1]),
        (WAN, "Wan2.1_VAE.safetensors", "VAE/Wan2.1_VAE.safetensors"),
        (WAN, "Wan2.2-T2V-A14B-HighNoise-Q4_K_M", WAN[0]),
        (SECOND_STATE, "Q4_0", "sd3.5_medium-Q4_0.gguf"),
        (SECOND_STATE, "Q8_0", "sd3.5_medium-Q8_0.gguf"),
        (SHARDS, "Q8_0", "flux-Q8_0-00001-of-00001.gguf"),
        (["sd_turbo-f16-q8_0.gguf"], "Q8_0", "sd_turbo-f16-q8_0.gguf"),
        (["sdxs-512-tinySDdistilled_Q8_0.gguf"], "Q8_0", "sdxs-512-tinySDdistilled_Q8_0.gguf"),
        (["sd_xl_base_1.0_0_Q4_K.gguf", "sd_xl_bf16.gguf"], "Q4_K", "sd_xl_base_1.0_0_Q4_K.gguf"),
        (["m.Q4_K_S.gguf", "m.mmproj-Q8_0.gguf"], "Q4_K_S", "m.Q4_K_S.gguf"),
        (["Q4_0/model.gguf", "Q8_0/model.gguf"], "Q8_0", "Q8_0/model.gguf"),
        (["old/m-Q4_0.gguf", "m-Q4_0.gguf"], "Q4_0", "m-Q4_0.gguf"),
        (["old/m-Q4_0.gguf", "m-pure-Q4_0.gguf"], "Q4_0", "old/m-Q4_0.gguf"),
        (["m-Q4_0_4_8.gguf", "m-Q4_0.gguf"], "Q4_0", "m-Q4_0.gguf"),
        (CALCUIS, "Q4_0", "wan2.1_t2v_1.3b-q4_0.gguf"),
        (MIXED, "Q4_0", "z-image-Q4_0.gguf"),
        (MIXED, "F16", "aesthetic-anime-F16.gguf"),
        (MIXED, "Q5_0", "sd3_medium_incl_clips_t5xxlfp16-Q5_0.gguf"),
        (MIXED, "Q5_1", "model_with_vae-Q5_1.gguf"),
        (MIXED, "Q6_K", "clipart-diffusion-Q6_K.gguf"),
        # Only components; their headers identify them.
        (ENCODERS, "FP16", "umt5-xxl-encoder-F16.gguf"),
    ],
)
def test_a_tag_selects_one_file(paths: list[str], tag: str, expected: str) -> None:
    choice = choose_file(paths, tag, has_explicit_tag=True, repository="acme/tiny")
    assert (choice.path, choice.note) == (expected, "")


def test_a_pure_file_replaces_a_missing_plain_one_with_a_note() -> None:
    choice = choose_file(
        ["m-pure-Q4_0.gguf"], "Q4_0", has_explicit_tag=True, repository="acme/tiny"
    )
    assert choice.path == "m-pure-Q4_0.gguf"
    assert choice.note == "acme/tiny has no plain Q4_0, using m-pure-Q4_0.gguf"


@pytest.mark.parametrize(
    ("paths", "expected", "taken"),
    [
        (GPUSTACK, "stable-diffusion-v3-5-medium-Q4_0.gguf", ""),
        (QWEN_IMAGE, "Qwen_Image-Q4_K_M.gguf", "Q4_K_M"),
        (["m-Q8_0.gguf", "m-Q2_K.gguf"], "m-Q8_0.gguf", "Q8_0"),
        (["m-Q2_K.gguf", "t5xxl-Q4_0.gguf"], "m-Q2_K.gguf", "m-Q2_K.gguf"),
        (["flux_mx3_1.gguf"], "flux_mx3_1.gguf", "flux_mx3_1.gguf"),
    ],
)
def test_without_a_tag(paths: list[str], expected: str, taken: str) -> None:
    choice = choose_file(paths, "Q4_0", has_explicit_tag=False, repository="acme/tiny")
    note = f"hf.co/acme/tiny has no Q4_0, using {taken}; choose another one with :TAG"
    assert (choice.path, choice.note) == (expected, note if taken else "")


@pytest.mark.parametrize(
    ("paths", "tag", "message", "hint"),
    [
        (
            GPUSTACK,
            "Q5_0",
            "hf.co/acme/tiny has no tag 'Q5_0'; it has Q4_0, Q4_1, pure-Q4_0, Q8_0, pure-Q8_0, F16",
            "for example hf.co/acme/tiny:Q4_0",
        ),
        (
            UNSLOTH,
            "F16",
            "hf.co/acme/tiny has no tag 'F16'; it has BF16, UD-Q4_K_M, Q4_K_M, IQ4_XS",
            "for example hf.co/acme/tiny:BF16",
        ),
        (
            ["m-Q4_K_M.gguf"],
            "Q4_K",
            "hf.co/acme/tiny has no tag 'Q4_K'; it has Q4_K_M",
            "for example hf.co/acme/tiny:Q4_K_M",
        ),
        (
            SECOND_STATE,
            "F16",
            "hf.co/acme/tiny has no tag 'F16'; it has Q8_0, Q4_0",
            "for example hf.co/acme/tiny:Q8_0",
        ),
        (
            WAN,
            "Q4_K_M",
            (
                "tag 'Q4_K_M' of hf.co/acme/tiny matches 2 models:"
                " HighNoise/Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf,"
                " LowNoise/Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf"
            ),
            "write the path: hf.co/acme/tiny:LowNoise/Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf",
        ),
        (
            SHARDS,
            "BF16",
            (
                "'BF16/flux-BF16-00001-of-00002.gguf' of hf.co/acme/tiny is 1 of 2 files of a"
                " split model, which the engine does not read"
            ),
            "use another tag, or join the files with llama-gguf-split --merge",
        ),
        (
            ["a/vae.safetensors", "b/vae.safetensors", "m.gguf"],
            "vae.safetensors",
            (
                "'vae.safetensors' is the name of 2 files of hf.co/acme/tiny:"
                " a/vae.safetensors, b/vae.safetensors"
            ),
            "write the path: hf.co/acme/tiny:a/vae.safetensors",
        ),
        (
            ["m-Q4_0.gguf"],
            "m-Q8_0.gguf",
            "hf.co/acme/tiny has no file 'm-Q8_0.gguf'; it has m-Q4_0.gguf",
            "for example hf.co/acme/tiny:m-Q4_0.gguf",
        ),
        (
            ["m-Q4_0.gguf"],
            "vae.safetensors",
            "hf.co/acme/tiny has no file 'vae.safetensors'; it has no .safetensors file",
            "see hf.co/acme/tiny",
        ),
        (
            ["unet/diffusion.safetensors", "model.safetensors"],
            "Q4_0",
            (
                "hf.co/acme/tiny has no GGUF file; it has unet/diffusion.safetensors,"
                " model.safetensors"
            ),
            (
                "name a file: hf.co/acme/tiny:model.safetensors,"
                " or look for a GGUF version of the model"
            ),
        ),
        (
            ["README.md"],
            "Q4_0",
            "hf.co/acme/tiny has no GGUF file",
            "look for a GGUF version of the model, usually named NAME-GGUF",
        ),
        (
            ["t5xxl-Q4_0.gguf", "clip_l-Q4_0.gguf"],
            "Q4_0",
            (
                "hf.co/acme/tiny has only components of models, by their names: t5xxl-Q4_0.gguf,"
                " clip_l-Q4_0.gguf"
            ),
            (
                "use a repository with an image model; pass components one by one, for example with"
                " t5xxl"
            ),
        ),
        (
            ["m-IQ4_XS.gguf", "m-Q4_K_M.gguf", "m-BF16.gguf", "m-F16.gguf"],
            "Q8_0",
            "hf.co/acme/tiny has no tag 'Q8_0'; it has BF16, F16, IQ4_XS, Q4_K_M",
            "for example hf.co/acme/tiny:BF16",
        ),
        (
            ["flux_mx3_1.gguf", "flux_mx5_9.gguf"],
            "Q4_0",
            "hf.co/acme/tiny has no tag 'Q4_0'; it has flux_mx3_1.gguf, flux_mx5_9.gguf",
            "for example hf.co/acme/tiny:flux_mx3_1.gguf",
        ),
    ],
)
def test_a_tag_without_a_file(paths: list[str], tag: str, message: str, hint: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        choose_file(paths, tag, has_explicit_tag=True, repository="acme/tiny")
    assert (caught.value.message, caught.value.hint) == (message, hint)


T5 = ["t5xxl_fp8_e4m3fn.safetensors", "t5xxl_fp16.safetensors"]


@pytest.mark.parametrize(
    ("paths", "parts", "tag", "expected"),
    [
        (SECOND_STATE, ["t5xxl-Q4_0.gguf", "t5xxl-Q8_0.gguf"], "Q4_0", "t5xxl-Q4_0.gguf"),
        (SECOND_STATE, ["clip_g-Q8_0.gguf"], "Q8_0", "clip_g-Q8_0.gguf"),
        (SECOND_STATE, [], "clip_l-Q8_0.gguf", "clip_l-Q8_0.gguf"),
        (SECOND_STATE, ["ae.safetensors"], "", "ae.safetensors"),
        (T5, T5, "", "t5xxl_fp16.safetensors"),
        (["some-Q4_0.gguf", "x.safetensors"], [], "", "some-Q4_0.gguf"),
        (ENCODERS, ENCODERS, "Q8_0", "umt5-xxl-encoder-Q8_0.gguf"),
    ],
)
def test_component(paths: list[str], parts: list[str], tag: str, expected: str) -> None:
    choice = choose_file(
        paths,
        tag or "Q4_0",
        has_explicit_tag=bool(tag),
        repository="acme/tiny",
        component_paths=parts,
    )
    assert choice.path == expected


def test_quantization_by_name() -> None:
    assert quantization_of("BF16/flux-BF16-00001-of-00002.gguf") == "BF16"
    assert quantization_of("flux_mx3_1.gguf") == ""
    assert all(quantization_of(f"m-{tag}.gguf") == tag for tag in FALLBACK_TAGS)


names = st.from_regex(r"[A-Za-z0-9._/ -]{1,40}(\.gguf|\.safetensors|)", fullmatch=True)


@given(st.lists(names, max_size=8), st.text(min_size=1, max_size=20), st.booleans())
def test_any_tag_selects_a_file_or_is_an_error(
    paths: list[str], tag: str, given_by_user: bool
) -> None:
    try:
        choice = choose_file(paths, tag, has_explicit_tag=given_by_user, repository="acme/tiny")
    except ModelNotFoundError:
        return
    assert choice.path in paths
