"""Picture and flow operations: one file per operation with contract, NumPy reference and fast versions."""
