"""A notebook as text: Markdown. A fence with a name is a cell.

    ```rust name            a code cell
    ```rust name varies     one whose output differs between machines or days
    ```rust name blank      what replaces the cell before it, the answer to an exercise,
                            in the copies for students

Only the English text has code. The text of another language has the same fences, empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

FENCE = re.compile(r"^```rust ([a-z0-9-]+)((?: [a-z]+)*)$")
FLAGS = {"varies", "blank"}
# Characters that a page shows of a line of code.
WIDTH = 100


class TextError(Exception):
    """A text that makes no notebook, and where."""


@dataclass(frozen=True)
class Cell:
    """A cell: prose, or code with a name."""

    source: str
    name: str | None = None
    varies: bool = False
    blank: str | None = field(default=None, compare=False)

    @property
    def is_code(self) -> bool:
        return self.name is not None


def parse(path: Path) -> list[Cell]:
    """The cells of a text."""
    cells: list[Cell] = []
    prose: list[str] = []

    def close_prose() -> None:
        source = "\n".join(prose).strip()
        prose.clear()
        if source:
            cells.append(Cell(source))

    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        fence = FENCE.match(line)
        if not fence:
            if line.startswith("```rust"):
                raise TextError(f"{path}:{number}: a cell needs a name: {line}")
            prose.append(line)
            continue
        name, flags = fence[1], set(fence[2].split())
        if unknown := flags - FLAGS:
            raise TextError(f"{path}:{number}: {', '.join(sorted(unknown))}: no such word")
        code = []
        for _, line in lines:
            if line == "```":
                break
            if len(line) > WIDTH:
                raise TextError(f"{path}: in {name}: {len(line)} characters, more than {WIDTH}: {line}")
            code.append(line)
        else:
            raise TextError(f"{path}:{number}: this cell does not end")
        close_prose()
        source = "\n".join(code)
        if "blank" in flags:
            if not cells or cells[-1].name != name:
                raise TextError(f"{path}:{number}: a blank follows the answer of its name, {name}")
            cells[-1] = replace(cells[-1], blank=source)
        else:
            if any(cell.name == name for cell in cells):
                raise TextError(f"{path}:{number}: there is a cell {name} already")
            cells.append(Cell(source, name, "varies" in flags))
    close_prose()
    return cells


def translated(cells: list[Cell], path: Path) -> list[Cell]:
    """The prose of another language around the code of these cells."""
    code = {cell.name: cell for cell in cells if cell.is_code}
    others = parse(path)
    names = [cell.name for cell in others if cell.is_code]
    if names != list(code):
        wanted = list(code)
        at = next((i for i, pair in enumerate(zip(names, wanted)) if pair[0] != pair[1]), None)
        where = "" if at is None else f": {names[at]} where {wanted[at]} belongs"
        raise TextError(f"{path}: {len(names)} cells, not the {len(wanted)} of the English text{where}")
    if filled := [cell.name for cell in others if cell.is_code and cell.source]:
        raise TextError(f"{path}: the code of {', '.join(filled)} stands in the English text alone")
    return [code[cell.name] if cell.is_code else cell for cell in others]
