"""The request: what to draw, with which model and where, checked."""
