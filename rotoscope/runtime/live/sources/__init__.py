"""Sources of a live run: network streams, cameras, screens, pipes, generated pictures."""
