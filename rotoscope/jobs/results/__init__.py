"""What was done: records, locks, segments and results, in a folder or an object store."""
