"""The demo model of the package: a small FLUX.2 klein, trained by ``tools/train_demo_model``.

One file holds the denoiser, the text encoder (``text_encoders.llm.``) and the VAE (``tae.``).
"""

from pathlib import Path

DEMO_FILE = Path(__file__).with_name("demo.gguf")
