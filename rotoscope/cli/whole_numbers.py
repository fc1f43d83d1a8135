"""Refuse fractions for options that are whole numbers: cyclopts would round them."""

import re

from cyclopts import App, ArgumentCollection

from rotoscope.base.errors import UsageError

MOST_DIGITS = 30  # Python refuses to read numbers of thousands of digits


def refuse_fractions(_app: App, _commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Raise UsageError for 1.5 as a whole number. Runs after all sources of options."""
    for argument in arguments:
        if argument.hint in (int, int | None, tuple[int, ...]) and argument.parameter.converter is None:
            for token in argument.tokens:
                if token.value and not re.fullmatch(f"[+-]?[0-9]{{1,{MOST_DIGITS}}}", token.value):
                    raise UsageError(f"{argument.name} {token.value}; accepted: a whole number")
