"""Picture and flow operations: one file per operation, with its contract, NumPy reference, CPU version and CUDA launch."""
