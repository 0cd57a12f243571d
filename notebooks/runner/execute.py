"""Runs the cells of a notebook in a kernel and keeps all that it says, whenever it says it.

The Rust kernel sends what a program writes to its error output on a thread of its own: the lines of a panic
may come after the cell is said to be done, and a reader who stops listening then never sees them. So this
one waits for silence after each cell, and gives every message to the cell that it belongs to. At the end it
writes a mark of its own to the error output and waits for it: what was written before it has then arrived.
"""

from __future__ import annotations

import os
import queue
import signal
import time
import uuid
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbformat.v4 import output_from_msg

# Seconds that a cell may take: the first one builds the library.
PATIENCE = 1800
# Seconds without a message that count as silence after a cell.
SILENCE = 0.05

# Kernels that run now, to be stopped when the run is.
RUNNING: set[KernelManager] = set()

OUTPUTS = {"stream", "display_data", "execute_result", "error"}


def execute(
    notebook: nbformat.NotebookNode, folder: Path, log: Path, patience: float = PATIENCE
) -> None:
    """Runs all code cells, in order, and puts their outputs into the notebook. A cell that fails does not
    end the run. The kernel's own words go to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as words:
        manager = KernelManager(kernel_name="rust")
        RUNNING.add(manager)
        manager.start_kernel(cwd=str(folder), stdout=words, stderr=words)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=120)
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            Session(manager, client, patience).run(code)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            RUNNING.discard(manager)


def stop_all() -> None:
    """Kills the kernels that run, on Ctrl-C: they are no children of the terminal's and would live on."""
    for manager in list(RUNNING):
        process = getattr(manager.provisioner, "pid", None)
        if process:
            # With what it started: each kernel leads a group of its own.
            os.killpg(process, signal.SIGKILL)


class Session:
    """A kernel, and which request each message answers."""

    def __init__(self, manager, client, patience: float = PATIENCE) -> None:
        self.manager, self.client, self.patience = manager, client, patience
        self.cells: dict[str, nbformat.NotebookNode] = {}
        self.mark, self.met_mark = uuid.uuid4().hex, False

    def run(self, cells: list[nbformat.NotebookNode]) -> None:
        for cell in cells:
            cell.outputs, cell.execution_count = [], None
        for cell in cells:
            request = self.client.execute(cell.source, stop_on_error=False)
            self.cells[request] = cell
            if not self.listen_until(lambda message: is_end_of(message, request)):
                cell.execution_count = None  # it began, and did not end
                return
            self.listen(SILENCE)
        if cells and not self.reach_the_mark(cells[-1]):
            cells[-1].execution_count = None

    def reach_the_mark(self, last: nbformat.NotebookNode) -> bool:
        """Whether all that was written to the error output has come. The empty line ends one that was
        begun, for the kernel passes on whole lines."""
        request = self.client.execute(f'eprintln!("\\n{self.mark}");', stop_on_error=False)
        self.cells[request] = last
        return self.listen_until(lambda _: self.met_mark)

    def listen_until(self, is_so) -> bool:
        """Whether it became so while the kernel lived."""
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                if self.manager.is_alive():
                    continue
                return False
            self.take(message)
            if is_so(message):
                return True
        return False

    def listen(self, silence: float) -> None:
        try:
            while True:
                self.take(self.client.get_iopub_msg(timeout=silence))
        except queue.Empty:
            pass

    def take(self, message: dict) -> None:
        cell = self.cells.get(message["parent_header"].get("msg_id"))
        if cell is None:
            return
        if message["msg_type"] == "execute_input" and self.mark not in message["content"]["code"]:
            # The kernel counts what it did for itself, too; a reader wants 1, 2, 3.
            cell.execution_count = list(self.cells).index(message["parent_header"]["msg_id"]) + 1
        if message["msg_type"] not in OUTPUTS:
            return
        output = output_from_msg(message)
        if output.get("name") == "stderr":
            self.met_mark |= self.mark in output.text
            output.text = output.text.replace(self.mark, "")
            if not output.text.strip():
                return
        if "data" in output:
            output.data = dict(sorted(output.data.items()))
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
        same_stream = [o for o in cell.outputs if o.output_type == "stream" and output.get("name") == o.name]
        if same_stream:
            same_stream[0].text += output.text
        else:
            cell.outputs.append(output)


def is_end_of(message: dict, request: str) -> bool:
    idle = message["content"].get("execution_state") == "idle"
    return idle and message["parent_header"].get("msg_id") == request
