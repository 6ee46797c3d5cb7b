"""The model inside the package: a small FLUX.2-klein, trained by this project's own script.

One file holds the denoiser, the text encoder (``text_encoders.llm.``) and the decoder (``tae.``).
``tools/train_demo_model`` makes it; ``docs/`` shows what it can draw.
"""

from pathlib import Path

DEMO_FILE = Path(__file__).with_name("demo.gguf")
