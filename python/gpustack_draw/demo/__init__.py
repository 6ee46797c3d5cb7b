"""The model inside the package: a small FLUX.2-klein, trained by this project's own script.

One file holds the denoiser, the text encoder (``text_encoders.llm.``) and the decoder (``tae.``).
``tools/train_demo_model`` makes it; ``docs/`` shows what it can draw.
"""

from pathlib import Path

from gpustack_draw.family_table import Defaults

DEMO_FILE = Path(__file__).with_name("demo.gguf")

DEFAULTS = Defaults(sample_steps=4, cfg_scale=1.0, native_size=(256, 256), smallest_size=(128, 128))
