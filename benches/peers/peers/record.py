"""A record as markdown, from its JSON."""

from .contenders import NAMES

LAYOUTS = {"nchw": "contiguous", "inside": "NHWC inside"}
MODES = {"eager": "eager", "script": "TorchScript"}
ABOUT = """\
Milliseconds of one forward pass, batch 1, f32. All contenders are timed in turn, round by round, in
one run. All take and return plain NCHW arrays, whatever layout they use inside, except in rows with
*NHWC*: there they take channels-last memory and may return it. PyTorch can be run in several ways. The
fastest is shown and named (*NHWC inside*: converted to channels_last and back); the JSON file beside
this one has them all. *error*: the largest difference from f64, divided by the largest value. *bound*:
the largest part of the derived rounding bound that any layer uses (for networks, the part of 1e-5 of
the largest logit). A contender outside its bound computes something else, and is listed separately."""


def markdown(found):
    """The whole record."""
    parts = [f"# Peers, {found['date']}", ABOUT, *about_machine(found), *summary(found)]
    for job in found["jobs"]:
        parts.append(f"## {job['name']}, {job['map']}, {job['products'] / 1e6:,.0f} M multiply-adds")
        if job["refuted"]:
            said = " and ".join(f"{name} ({times:.0f} times)" for name, times in job["refuted"].items())
            parts.append(f"The bound would be exceeded by {said}.")
        for threads in threads_of(job):
            parts += rows_of(found, job, threads)
    return "\n\n".join(parts) + "\n"


def about_machine(found):
    machine = found["machine"]
    virtual = ", virtual" if machine["virtual"] else ""
    lines = [
        ["processor", f"{machine['cpu']} ({machine['family']}){virtual}"],
        ["", f"{machine['cores']} cores, {', '.join(machine['vectors'])}"],
        ["caches", ", ".join(machine["caches"])],
        ["memory", f"{machine['memory_gib']} GiB"],
        ["system", machine["os"]],
    ]
    lines += [[NAMES.get(name, name), text] for name, text in found["versions"].items()]
    for threads, gflops in found["gflops_peak"].items():
        lines.append([f"peak, {count(threads)}", f"{gflops:.0f} GFLOP/s, f32, in registers"])
    how = f"{found['rounds']} of {found['seconds']} s each"
    lines.append(["rounds", f"{how}; {found['minutes']} minutes in all"])
    if "load" in found:
        lines.append(["load before", f"{found['load']:.1f}"])
    skipped = ", ".join(NAMES[name] for name in found["skipped"])
    lines.append(["left out", skipped or "nobody"])
    return [table(["", "what"], lines, "ll")]


def summary(found):
    """Compares ours with the fastest peer, the forms with each other, and two threads with one."""
    kinds = [(kind, [job for job in found["jobs"] if job["kind"] == kind]) for kind in KINDS]
    return [part for kind, jobs in kinds if jobs for part in KINDS[kind](found, jobs)]


def summary_of_blocks(found, jobs):
    fastest, forms = [], []
    for job in jobs:
        for threads in threads_of(job):
            ours = {form: best(job, threads, "triform", form) for form in "abc"}
            if ours["c"] is None:
                continue
            c = ours["c"]["min_ms"]
            fastest.append([*beside_peer(job, threads, c), *beyond(found, job, threads, c)])
            row = [job["name"], threads, ratio(ms(ours["b"]), c), ratio(ms(ours["a"]), c)]
            for form in "abc":
                torch = best(job, threads, "torch", form)
                row.append(ratio(ms(torch), ms(ours[form])))
            forms.append(row)
    if not fastest:
        return []
    return [
        "## Blocks: triform's form (c) beside the fastest peer",
        table(
            ["block", "threads", "ours", "peer's", "peer", "ours / peer's", "vs 1", "of peak"],
            fastest,
            "lrrrlrrr",
        ),
        "*vs 1*: how many times as fast as on one thread. *of peak*: the part of the processor's peak.",
        "## Blocks: the forms",
        table(
            ["block", "threads", "(b)/(c)", "(a)/(c)", "PyTorch (a)/ours", "(b)", "(c)"],
            forms,
            "lrrrrrr",
        ),
        "(b)/(c) and (a)/(c): ratios of triform's own times. The others: PyTorch's time in a form divided by ours.",
    ]


def summary_of_networks(found, jobs):
    rows = []
    for job in jobs:
        for threads in threads_of(job):
            ours = best(job, threads, "triform", "c")
            if ours is not None:
                c = ours["min_ms"]
                rows.append([*beside_peer(job, threads, c), *beyond(found, job, threads, c)])
    if not rows:
        return []
    header = ["network", "threads", "ours", "peer's", "peer", "ours / peer's", "vs 1", "of peak"]
    return ["## Networks: triform beside the fastest peer", table(header, rows, "lrrrlrrr")]


KINDS = {"block": summary_of_blocks, "network": summary_of_networks}


def beside_peer(job, threads, c):
    peers = [best(job, threads, engine, "c") for engine in NAMES if engine != "triform"]
    peers = [peer for peer in peers if peer is not None]
    if not peers:
        return [job["name"], threads, f"{c:.2f}", "", "", ""]
    peer = min(peers, key=ms)
    name = NAMES[peer["engine"]]
    return [job["name"], threads, f"{c:.2f}", f"{ms(peer):.2f}", name, ratio(c, ms(peer))]


def beyond(found, job, threads, c):
    """How many times as fast as on one thread, and the part of the peak."""
    one = best(job, 1, "triform", "c") if threads != 1 else None
    gflops = 2 * job["products"] / c / 1e6
    return [ratio(ms(one), c), f"{gflops / found['gflops_peak'][str(threads)]:.0%}"]


def rows_of(found, job, threads):
    """All contenders on `threads` threads, the fastest first."""
    rows = [row for row in job["rows"] if row["threads"] == threads]
    within = []
    for key in sorted({key_of(row) for row in rows}):
        same = [row for row in rows if key_of(row) == key and row["within"]]
        within += sorted(same, key=ms)[:1]
    within.sort(key=ms)
    plain = [ms(row) for row in within if row["engine"] != "triform" and not is_nhwc(row)]
    lines = [
        [
            NAMES[row["engine"]],
            f"({row['variant'][0]})",
            how(row),
            f"{ms(row):.3f}",
            f"{row['median_ms']:.3f}",
            ratio(ms(row), min(plain, default=None)),
            f"{max(each['relative'] for each in row['checked'].values()):.0e}",
            f"{max(each['used'] for each in row['checked'].values()):.1%}",
        ]
        for row in within
    ]
    header = ["contender", "form", "how", "min", "median", "/ peer", "error", "bound"]
    parts = [f"### {count(threads)}", table(header, lines, "lllrrrrr")]
    outside = [row for row in rows if not row["within"]]
    if outside:
        lines = []
        for row in outside:
            model, worst = max(row["checked"].items(), key=lambda each: each[1]["used"])
            name, form = NAMES[row["engine"]], f"({row['variant'][0]})"
            lines.append([name, form, how(row), f"{ms(row):.3f}", model, f"{worst['used']:.1f}"])
        header = ["outside the bound", "form", "how", "min", "where", "times the bound"]
        parts.append(table(header, lines, "lllrlr"))
    return parts


def best(job, threads, engine, form):
    """The fastest way to run a form on plain arrays within the bound, or None."""
    rows = [
        row
        for row in job["rows"]
        if row["threads"] == threads
        and row["engine"] == engine
        and row["variant"][0] == form
        and row["within"]
        and not is_nhwc(row)
    ]
    return min(rows, key=ms, default=None)


def key_of(row):
    """Rows with the same key become one row of a table, with the fastest way to run them."""
    return row["engine"], row["variant"][0], is_nhwc(row)


def is_nhwc(row):
    return row["variant"].endswith("-nhwc")


def how(row):
    parts = row["variant"].split("-")[1:]
    if parts == ["nhwc"]:
        return "NHWC"
    if not parts:
        return ""
    mode, layout = parts
    return f"NHWC, {MODES[mode]}" if is_nhwc(row) else f"{MODES[mode]}, {LAYOUTS[layout]}"


def ms(row):
    return None if row is None else row["min_ms"]


def ratio(one, other):
    return "" if one is None or other is None else f"{one / other:.2f}"


def count(threads):
    return "1 thread" if int(threads) == 1 else f"{threads} threads"


def threads_of(job):
    return sorted({row["threads"] for row in job["rows"]})


def table(header, rows, sides):
    """A markdown table whose columns are aligned in the source too."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    place = lambda cell, side, width: cell.ljust(width) if side == "l" else cell.rjust(width)
    line = lambda cells: "| " + " | ".join(map(place, cells, sides, widths)) + " |"
    rule = [
        ("-" * width if side == "l" else "-" * (width - 1) + ":") for side, width in zip(sides, widths)
    ]
    return "\n".join([line(header), "| " + " | ".join(rule) + " |", *map(line, rows)])
