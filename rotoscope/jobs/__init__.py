"""Batches: many files through one command, each exactly once, whatever is killed.

`listing` makes jobs of what the user names; `results` says what became of each before, from the records; `batch` gives what is
left to `workers`, one job at a time each, or the parts of a long video (`division`); every job ends in one record.
"""
