"""Protection of a server: who may ask, how much, how long; errors, the log and the metrics."""
