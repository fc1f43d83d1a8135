"""What is to be done: jobs, their keys, and the sources that they come from."""
