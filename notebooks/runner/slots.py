"""The build folders of the kernels: see `kernel`, which gives each running one a folder to itself."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from . import book, judge
from .execute import execute
from .text import Cell, TextError

SLOTS = book.FOLDER.parent / "target" / "notebooks"
LOGS = SLOTS / "logs"

# What every notebook begins with.
LIBRARY = """:dep triform-notebook = { path = "../crates/notebook" }
use triform_notebook::*;
ready()?;"""


def log(name: str) -> Path:
    """Where a kernel's own words go."""
    return LOGS / f"{name}.log"


def warm(jobs: int) -> None:
    """Has the library built in the first folder, and copies that for as many kernels as will run at a
    time: to build it in each would take minutes more."""
    if not (SLOTS / "0" / "target").exists():
        print("Building the library for the kernel; some minutes, once ...", file=sys.stderr)
    library = book.make([Cell(LIBRARY, "library")])
    execute(library, book.FOLDER, log("library"))
    if found := judge.faults(library):
        raise TextError(f"the library cannot be loaded: {found[0]}; see {log('library')}")
    for job in range(1, jobs):
        slot = SLOTS / str(job)
        slot.mkdir(parents=True, exist_ok=True)
        with (slot / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # a kernel of another run has it
            if built(slot) != built(SLOTS / "0"):
                shutil.rmtree(slot / "target", ignore_errors=True)
                # With the times of the files, by which cargo knows that all is fresh.
                subprocess.run(["cp", "-a", SLOTS / "0" / "target", slot], check=True)


def built(slot: Path) -> float:
    """When the library was built there; 0 if it was not."""
    return max((file.stat().st_mtime for file in slot.glob("target/*/debug/deps/libtriform-*")), default=0)
