"""Who does it: one job at a time in processes of this machine or of a Ray cluster."""
