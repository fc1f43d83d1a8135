"""The papers' tables on data that is at hand: one module for each table, `benchmarks/table.py` is the command."""
