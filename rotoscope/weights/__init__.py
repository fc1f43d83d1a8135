"""Files of weights from strangers, read as data: what is in them and where. Nothing in a file is run; torch is not needed."""
