"""The blocks of commands and programs in the pages, and what stands before each: how it is checked.

<!-- run -->             the suite runs it
<!-- full -->            `make test-full` runs it: it takes longer
<!-- not run: REASON --> it needs what a test does not have
"""

import re
from collections import namedtuple

MARK = re.compile(r"<!-- (run|full|not run: \S.*) -->")
COMMAND = re.compile(
    r"(?:\$ )?(?:rotoscope|for|make|pip|ffmpeg|python3?|git|docker|curl|sudo|kubectl|pytest|cd|mkdir)\s(?!=)"
)
PROGRAM = re.compile(r"\s*(?:import \w|from \w\S* import |with .*:|(?:\w+ = )?rotoscope\.\w+)")

Block = namedtuple("Block", "page line mark text")


def blocks(page, text):
    """Blocks of a page that hold commands or Python, with their marks; None if there is no mark."""
    lines = text.split("\n")
    number, mark = 0, None
    while number < len(lines):
        line = lines[number]
        if found := MARK.fullmatch(line):
            mark, number = found[1], number + 1
        elif line.startswith("```"):
            end = lines.index("```", number + 1)
            body = lines[number + 1 : end]
            yield from _block(page, number + 1, mark, body)
            mark, number = None, end + 1
        elif line.startswith("    ") and not lines[number - 1].strip():
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield from _block(page, number + 1, mark, [each[4:] for each in lines[number:end]])
            mark, number = None, end
        else:
            if line.strip():
                mark = None
            number += 1


def _block(page, line, mark, body):
    if any(COMMAND.match(each) or PROGRAM.match(each) for each in body):
        yield Block(page, line, mark, "\n".join(body).strip("\n"))


def is_program(block):
    """Whether it is Python, not commands."""
    return not any(COMMAND.match(line) for line in block.text.split("\n"))


def commands(block):
    """The command lines: (line, what is expected of it or None). Lines joined by a backslash are one.

    In a block with `$ ` before its commands, an error line below one is what it must print; `...` stands for anything.
    """
    lines = block.text.replace("\\\n", " ").split("\n")
    has_prompts = any(line.startswith("$ ") for line in lines)
    result = []
    for line in lines:
        if line.startswith("$ ") or (not has_prompts and line.strip()):
            result.append([line.removeprefix("$ "), None])
        elif line.startswith("rotoscope: ") and result:
            result[-1][1] = line
    return [tuple(item) for item in result]
