"""Object stores: reading, conditional writes, sources that are fetched."""
