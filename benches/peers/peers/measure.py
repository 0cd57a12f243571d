"""One job on some number of threads: every contender is checked, then all are timed round by round."""

import statistics
import time

import numpy as np

from .contenders import Worker

# Seconds to wait, so that threads that another engine keeps spinning for a while fall asleep.
PAUSE = 0.05


def measure(job, engines, threads, rounds, seconds, tell):
    """The rows of a job, one for each variant of each engine."""
    workers = []
    try:
        for engine in engines:
            workers.append(Worker(engine, job.folder, threads))
        rows = [
            {"engine": worker.engine, "variant": variant, "version": worker.version} | about
            for worker in workers
            for variant in worker.variants
            for about in [check(job, worker, variant)]
        ]
        by_engine = {worker.engine: worker for worker in workers}
        for row in rows:
            worker = by_engine[row["engine"]]
            warm = worker.run(row["variant"], 2)[1:] + worker.run(row["variant"], 3)
            row["times"] = max(1, min(1000, round(seconds * 1e9 / min(warm))))
            row["ns"] = []
        for number in range(rounds):
            tell(f"{job.name}, {threads} threads, round {number + 1} of {rounds}")
            for row in rows:
                time.sleep(PAUSE)
                row["ns"] += by_engine[row["engine"]].run(row["variant"], row["times"])
    finally:
        for worker in workers:
            worker.end()
    for row in rows:
        taken = row.pop("ns")
        row["runs"], row["min_ms"] = len(taken), min(taken) / 1e6
        row["median_ms"] = statistics.median(taken) / 1e6
        row["threads"] = threads
    return rows


def check(job, worker, variant):
    """How much of its bound each layer and the whole use, and whether none exceeds its bound."""
    checked = {}
    for model in job.models():
        worker.ask(f"check {variant} {model}")
        found = np.load(job.folder / f"{variant}.{model}.out.npy")
        part, relative = job.judge(model, found)
        checked[model] = {"used": part, "relative": relative}
    # Written so that NaN counts as outside.
    within = all(each["used"] <= 1 for each in checked.values())
    return {"checked": checked, "within": within}
