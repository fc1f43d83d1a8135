"""Promises that are kept with figures: docs/reliability.md lists them. ROTOSCOPE_PROMISES=full runs the full numbers."""
