"""Drawing for all clients of a server, one drawing at a time."""
