"""The phases of `benchmarks/gpu.py`.

phase.py    what a phase is given, and where it saves its results
timing.py   times of work on the GPU
case.py     a kernel with inputs, reference and counted bytes; picture_cases.py, motion_cases.py: all kernels
frame.py    the kernels of one steadied frame
networks.py the networks that are timed
peers.py    the loop that others run
table.py    the results as a table
The others are the phases, each with `run(phase)`.
"""
