"""Headers of model files: tensor names, shapes and metadata. Nothing in them is trusted."""
