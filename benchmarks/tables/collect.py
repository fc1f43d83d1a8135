"""Collect numbers by method and measure."""

from collections import defaultdict


class Collected(defaultdict):
    """method -> measure -> list of values."""

    def __init__(self):
        super().__init__(lambda: defaultdict(list))

    def add(self, method, numbers):
        for measure, value in numbers.items():
            self[method][measure].append(float(value))

    def plain(self):
        return {method: dict(measures) for method, measures in self.items()}
