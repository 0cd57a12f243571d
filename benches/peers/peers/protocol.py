"""What the Python workers have in common. They answer each line with one line.

    <- {"variants": [...], "version": "..."}       once, when loaded
    -> check VARIANT MODEL                         writes VARIANT.MODEL.out.npy beside the input
    <- done
    -> run VARIANT K
    <- K times in nanoseconds
    <- error WHY                                   instead of any answer

A worker ends when its input does.
"""

import json
import os
import pathlib
import sys
import time
import traceback

import numpy as np


def serve(version, variants, load):
    """`load(variant, model)` returns a function without arguments, which returns the output."""
    folder = pathlib.Path(sys.argv[1])
    loaded = {}

    def model(variant, name):
        if (variant, name) not in loaded:
            loaded[variant, name] = load(variant, name)
        return loaded[variant, name]

    say(json.dumps({"variants": variants, "version": version}))
    for line in sys.stdin:
        try:
            match line.split():
                case ["check", variant, name]:
                    np.save(folder / f"{variant}.{name}.out.npy", np.asarray(model(variant, name)()))
                    say("done")
                case ["run", variant, times]:
                    say(" ".join(map(str, timed(model(variant, "whole"), int(times)))))
                case _:
                    say(f"error cannot read {line!r}")
        except Exception as error:
            traceback.print_exc()
            say("error " + " ".join(f"{type(error).__name__}: {error}".split()))


def timed(run, times):
    taken = []
    for _ in range(times):
        start = time.perf_counter_ns()
        y = run()
        taken.append(time.perf_counter_ns() - start)
        # Freed here, so that each iteration gets the same memory as the last.
        del y
    return taken


def start():
    """Returns the folder and the number of threads. Keeps what engines print out of the answers."""
    global answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pathlib.Path(sys.argv[1]), int(sys.argv[2])


def inputs(folder, model):
    """The inputs of a model, by name."""
    description = json.loads((folder / f"{model}.json").read_text())
    return {each["name"]: np.load(folder / each["file"]) for each in description["inputs"]}


def say(line):
    print(line, file=answers, flush=True)
