"""The results of a batch: records, locks, segments and result files, in a folder or an object store."""
