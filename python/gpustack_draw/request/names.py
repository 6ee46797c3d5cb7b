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
