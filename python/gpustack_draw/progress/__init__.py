"""The progress of a drawing: its record, its text and its line on a terminal."""
