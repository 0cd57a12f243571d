"""Convolutions and blocks with PyTorch, including gradients and training mode, run on triform's cases.

    python -m pip install -r examples/check/requirements.txt
    triform cases --out cases
    triform check cases --run "python examples/check/torch_all.py"
"""

import json
import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional as F


def conv(t, a):
    x, padding = t["x"], a["padding"]
    if padding is None:  # the two sides differ, which conv2d does not support
        x, padding = F.pad(x, a["pad"]), 0
    return F.conv2d(x, t["weight"], t["bias"], a["stride"], padding, a["dilation"], a["groups"])


def block(t, a):
    def norm(name, x):
        names = ("running_mean", "running_var", "weight", "bias")
        arrays = (t[f"{name}.{part}"] for part in names)
        return F.batch_norm(x, *arrays, a["training"], a["momentum"] or 0, a["eps"])

    first, second = (a["stride"], 1) if a["stride_on"] == "conv1" else (1, a["stride"])
    y = F.relu(norm("bn1", F.conv2d(t["x"], t["conv1.weight"], stride=first)))
    y = F.conv2d(y, t["conv2.weight"], None, second, a["kernel_size"] // 2, groups=a["groups"])
    y = norm("bn3", F.conv2d(F.relu(norm("bn2", y)), t["conv3.weight"]))
    shortcut = t["x"]
    if a["downsample"]:
        shortcut = F.conv2d(shortcut, t["downsample.0.weight"], stride=a["stride"])
        shortcut = norm("downsample.1", shortcut)
    return F.relu(y + shortcut)


cases, outputs = map(pathlib.Path, sys.argv[1:])
outputs.mkdir(exist_ok=True)
for case in json.loads((cases / "cases.json").read_text())["cases"]:
    arrays = np.load(cases / f"{case['name']}.npz")
    t = {name: torch.from_numpy(array) for name, array in arrays.items()}
    wanted = case["outputs"]
    gradients = [name.removeprefix("grad_") for name in wanted if name.startswith("grad_")]
    for name in gradients:
        t[name].requires_grad_()
    y = {"conv": conv, "block": block}[case["op"]](t, case["attributes"])
    if gradients:
        y.backward(t["grad_output"])
    # Running statistics were updated in place.
    found = t | {"y": y.detach()} | {f"grad_{name}": t[name].grad for name in gradients}
    np.savez(outputs / f"{case['name']}.npz", **{name: found[name] for name in wanted})
