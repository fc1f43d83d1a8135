"""The jobs of a batch: how sources are listed, and the key of each job."""
