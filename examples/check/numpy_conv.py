"""A grouped convolution with numpy alone, run on triform's cases.

    python -m pip install -r examples/check/requirements.txt    # numpy is enough
    triform cases --out cases --op conv --kind integers,floats,specials
    triform check cases --run "python examples/check/numpy_conv.py"
"""

import json
import pathlib
import sys

import numpy as np


def conv(x, weight, bias, stride, pad, dilation, groups):
    """Put your own convolution here."""
    left, right, top, bottom = pad
    x = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)])
    c_out, each_in, *kernel = weight.shape
    each_out = c_out // groups
    sizes = zip(x.shape[2:], kernel, stride, dilation)
    h, w = ((size - 1 - d * (k - 1)) // s + 1 for size, k, s, d in sizes)
    y = np.zeros((len(x), c_out, h, w), np.float32) + bias[:, None, None]
    for g in range(groups):
        reads = slice(g * each_in, (g + 1) * each_in)
        writes = slice(g * each_out, (g + 1) * each_out)
        for i, j in np.ndindex(*kernel):
            rows = slice(i * dilation[0], None, stride[0])
            columns = slice(j * dilation[1], None, stride[1])
            seen = x[:, reads, rows, columns][:, :, :h, :w]
            y[:, writes] += np.einsum("nchw,oc->nohw", seen, weight[writes, :, i, j])
    return y


cases, outputs = map(pathlib.Path, sys.argv[1:])
outputs.mkdir(exist_ok=True)
for case in json.loads((cases / "cases.json").read_text())["cases"]:
    if case["op"] == "conv" and "y" in case["outputs"]:
        arrays, attributes = np.load(cases / f"{case['name']}.npz"), case["attributes"]
        arguments = {name: attributes[name] for name in ("stride", "pad", "dilation", "groups")}
        np.savez(outputs / f"{case['name']}.npz", y=conv(**arrays, **arguments))
