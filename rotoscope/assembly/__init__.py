"""From names to models and engines: the one place that puts rooms together."""
