"""Training of the embedded model `demo`."""
