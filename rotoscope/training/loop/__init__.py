"""The training loop: steps, schedules, checkpoints, devices and reports."""
