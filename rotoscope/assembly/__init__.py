"""Opens models and engines by name: the one place that puts rooms together."""
