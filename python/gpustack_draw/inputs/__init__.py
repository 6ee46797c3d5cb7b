"""Pictures as input: read, checked, fitted to the size of a drawing, and pasted back after it."""
