"""Make model files of torch modules and checkpoints."""
