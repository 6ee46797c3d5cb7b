"""Progress of a drawing."""
