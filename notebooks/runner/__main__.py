"""notebooks/run: runs the notebooks, compares them with what is committed, and says "N passed, M failed"."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import book, judge, slots
from .execute import execute, stop_all
from .text import TextError

ROOT = book.FOLDER.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="notebooks/run", description=__doc__)
    parser.add_argument("notebook", nargs="*", help="01 or 01_group_convolution.zh; all if none is named")
    parser.add_argument("--write", action="store_true", help="make them from text/ and keep the outputs")
    parser.add_argument("--file", type=Path, nargs="+", help="judge these notebooks, which may be anybody's")
    parser.add_argument("--students", type=Path, metavar="FOLDER", help="copies without answers and outputs")
    parser.add_argument("--blank", action="store_true", help="run the English copies for students: all is unanswered")
    parser.add_argument("--html", type=Path, metavar="FOLDER", help="pages, from the committed notebooks")
    parser.add_argument("--jobs", type=int, default=2, help="kernels at a time; 2 if not given")
    parser.add_argument("--test", action="store_true", help="test this runner")
    return parser.parse_args()


def chosen(wanted: list[str]) -> list[str]:
    """The notebooks whose names begin so."""
    names = book.names()
    if stray := {path.stem for path in book.FOLDER.glob("*.ipynb")} - set(names):
        raise TextError(f"{', '.join(sorted(stray))}: no text in {book.TEXT} makes it")
    if not wanted:
        return names
    found = [name for name in names if any(name.startswith(start) for start in wanted)]
    for start in wanted:
        if not any(name.startswith(start) for name in names):
            raise TextError(f"{start}: no such notebook; there are {', '.join(names)}")
    return found


def run(name: str, write: bool) -> list[str]:
    """Runs a notebook of the project; what is wrong with it, or with what is committed."""
    made = book.make(book.cells(name))
    path = book.path(name)
    if not write:
        if not path.exists():
            return ["is not there; notebooks/run --write makes it"]
        committed = book.read(path)
        if not judge.same_source(committed, made):
            return [f"is not what text/{name}.md makes; notebooks/run --write makes it anew"]
    execute(made, book.FOLDER, slots.log(name))
    found = judge.faults(made)
    if write:
        book.write(made, path)
        return found
    return found or judge.differences(committed, made)


def run_file(path: Path) -> list[str]:
    """Runs a notebook as it is; nothing is written."""
    notebook = book.read(path)
    execute(notebook, path.resolve().parent, slots.log(path.stem))
    return judge.faults(notebook)


def run_blank(name: str) -> list[str]:
    """Runs a copy for students: each exercise must be unanswered, and all else as it was."""
    cells = book.cells(name)
    notebook = book.make(book.for_students(cells))
    execute(notebook, book.FOLDER, slots.log(name))
    return judge.faults_of_blanks(notebook, sum(cell.blank is not None for cell in cells))


def each(names: list, do, jobs: int = 1) -> int:
    """Does it with each, several at a time, prints what came of it in their order, and gives the exit
    status."""

    def timed(name) -> tuple[list[str], float]:
        start = time.monotonic()
        try:
            found = do(name)
        except Exception as error:  # of any kind: a notebook that cannot be run has failed
            found = [f"{type(error).__name__}: {error}"]
        return found, time.monotonic() - start

    passed = failed = 0
    pool = ThreadPoolExecutor(max_workers=jobs)
    for name, (found, seconds) in zip(names, pool.map(timed, names)):
        print(name, "FAILED" if found else "passed", f"({seconds:.0f} s)", flush=True)
        for words in found:
            print(f"    {words}")
        passed, failed = passed + (not found), failed + bool(found)
    pool.shutdown()
    print(f"{passed} passed, {failed} failed")
    if failed:
        print(f"The kernels' own words: {slots.LOGS}")
    return 1 if failed or not passed else 0


def students(folder: Path, names: list[str]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        notebook = book.make(book.for_students(book.cells(name)))
        # The library by its place, since these may lie anywhere.
        for cell in notebook.cells:
            cell.source = cell.source.replace('path = ".."', f'path = "{ROOT}"')
        book.write(notebook, folder / f"{name}.ipynb")
    print(f"{len(names)} notebooks without answers in {folder}")
    return 0


# nbconvert leaves no space between a formula and the text that follows.
ROOM = "<style>.jp-RenderedMarkdown pre { margin-bottom: 1em; }</style>"


def html(folder: Path, names: list[str]) -> int:
    from nbconvert import HTMLExporter

    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        title = {"metadata": {"name": name}}
        page, _ = HTMLExporter().from_notebook_node(book.read(book.path(name)), resources=title)
        page = page.replace("</head>", f"{ROOM}</head>", 1)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    print(f"{len(names)} pages in {folder}")
    return 0


def test() -> int:
    """The tests of this folder; unlike unittest's own words, the last line is one that can be counted."""
    suite = unittest.defaultTestLoader.discover(str(Path(__file__).parent), top_level_dir=str(book.FOLDER))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or not result.testsRun else 0


def main() -> int:
    given = arguments()
    if not 1 <= given.jobs <= 8:
        raise TextError(f"--jobs {given.jobs}: from 1 to 8 kernels")
    names = chosen(given.notebook)
    if given.students:
        return students(given.students, names)
    if given.html:
        return html(given.html, names)
    slots.warm(given.jobs)
    if given.test:
        return test()
    if given.file:
        return each(given.file, run_file, given.jobs)
    if given.blank:
        return each([name for name in names if "." not in name], run_blank, given.jobs)
    return each(names, lambda name: run(name, given.write), given.jobs)


if __name__ == "__main__":
    # As Ctrl-C: the kernels are to end too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        sys.exit(main())
    except TextError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        stop_all()
        # At once: the threads of the other notebooks would go on.
        os._exit(130)
