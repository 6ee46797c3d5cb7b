"""Train a LoRA for the embedded model; see __main__.py."""
