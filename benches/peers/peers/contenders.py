"""The contenders: what runs them, and a process for each."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parents[1]
RELEASE = HERE / "target/release"
NAMES = {
    "triform": "triform",
    "torch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "tract": "tract",
    "candle": "candle",
}
# The programs of the contenders in Rust; the others are Python modules beside this one.
IN_RUST = {"triform": RELEASE / "ours", "tract": RELEASE / "theirs", "candle": RELEASE / "theirs"}


class Failure(Exception):
    """An error that ends the run. Its message says what to do."""


class Missing(Failure):
    """A contender that cannot be started."""

    def __init__(self, engine, why):
        super().__init__(
            f"{NAMES[engine]} is missing: {why}\n"
            f"Install it as README.md says, or leave it out with --skip {engine}"
        )


class Wrong(Failure):
    """A contender that cannot do what it was asked to."""

    def __init__(self, engine, asked, why):
        super().__init__(f"{NAMES[engine]} cannot {asked}: {why}")


def processors(threads):
    """The processors that `threads` threads run on: the last ones, since the first takes more interrupts."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < threads:
        raise Failure(f"{threads} threads need as many processors; there are {len(allowed)}")
    return allowed[-threads:]


class Worker:
    """A process with one job's models in one engine, on a given number of threads."""

    def __init__(self, engine, folder, threads):
        self.engine, self.folder = engine, folder
        if engine in IN_RUST:
            command = [IN_RUST[engine], engine, folder, str(threads)]
        else:
            command = [sys.executable, "-m", f"peers.worker_{engine}", folder, str(threads)]
        environment = os.environ | {
            # For engines that learn the number of threads in no other way.
            "OMP_NUM_THREADS": str(threads),
            "RAYON_NUM_THREADS": str(threads),
            "PYTHONWARNINGS": "ignore",
        }
        self.log = open(folder / f"{engine}.log", "a+")
        on = processors(threads)
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                text=True,
                env=environment,
                cwd=HERE,
                preexec_fn=lambda: os.sched_setaffinity(0, on),
            )
        except OSError as error:
            raise Missing(engine, error) from error
        first = self.process.stdout.readline()
        if not first:
            raise Missing(engine, self.last_words())
        described = json.loads(first)
        self.version, self.variants = described["version"], described["variants"]

    def ask(self, question):
        try:
            print(question, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            raise Wrong(self.engine, question, f"it ended. {self.last_words()}")
        if answer.startswith("error"):
            raise Wrong(self.engine, question, answer.removeprefix("error").strip())
        return answer.strip()

    def run(self, variant, times):
        """The times of `times` runs, in nanoseconds."""
        return [int(taken) for taken in self.ask(f"run {variant} {times}").split()]

    def last_words(self):
        self.process.wait(10)
        self.log.seek(0)
        lines = self.log.read().strip().splitlines()
        return lines[-1] if lines else f"exit status {self.process.returncode}"

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
