"""Batches: many files through one command, each exactly once, whatever is killed.

`listing` and `job_file` make jobs of what the user names; `standing` says what became of each before, from the records; `batch`
gives what is left to `worker` processes, one at a time each; every job ends in one record (`records`).
"""
