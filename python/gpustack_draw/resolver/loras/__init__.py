"""LoRA files: what they hold, the models that they fit, and the settings that they ask for."""
