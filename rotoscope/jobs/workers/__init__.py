"""The workers of a batch: processes of this machine or of a Ray cluster, each with one job at a time."""
