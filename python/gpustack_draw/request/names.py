"""The names of the engine's samplers, schedulers and model components.

Listed here so that the command's parser need not load the engine; a test compares them with the
compiled engine.
"""

SAMPLERS: tuple[str, ...] = (
    "euler",
    "euler_a",
    "heun",
    "dpm2",
    "dpm++2s_a",
    "dpm++2m",
    "dpm++2mv2",
    "ipndm",
    "ipndm_v",
    "lcm",
    "ddim_trailing",
    "tcd",
    "res_multistep",
    "res_2s",
    "er_sde",
)

SCHEDULERS: tuple[str, ...] = (
    "discrete",
    "karras",
    "exponential",
    "ays",
    "gits",
    "sgm_uniform",
    "simple",
    "smoothstep",
    "kl_optimal",
    "lcm",
    "bong_tangent",
)

# How a picture is enlarged between two passes. The engine enlarges its latent by the last ones.
LATENT_UPSCALERS: tuple[str, ...] = (
    "latent",
    "latent-antialiased",
    "latent-bicubic",
    "latent-bicubic-antialiased",
    "latent-nearest",
    "latent-nearest-exact",
)
HIRES_UPSCALERS: tuple[str, ...] = ("lanczos", "nearest", *LATENT_UPSCALERS)

# As keyword arguments and in ModelFile.component.
COMPONENTS: tuple[str, ...] = (
    "vae",
    "clip_l",
    "clip_g",
    "t5xxl",
    "llm",
    "llm_vision",
    "taesd",
    "control_net",
)

# Types that the engine converts weights to, the most exact first.
WEIGHT_TYPES: "tuple[str, ...]" = (
    *("f32", "f16", "bf16", "q8_0", "q6_K", "q5_K", "q5_1", "q5_0"),
    *("q4_K", "q4_1", "q4_0", "q3_K", "q2_K"),
)
