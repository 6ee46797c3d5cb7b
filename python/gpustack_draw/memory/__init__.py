"""Memory of a drawing: what it needs, what is free, and what is chosen so that it fits."""
