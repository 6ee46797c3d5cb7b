"""Measurement of how well the embedded model edits pictures."""
