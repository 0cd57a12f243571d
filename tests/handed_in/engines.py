"""Right answers to the cases of `triform cases`, from three implementations that share nothing with triform.

`triform check` must never refute them. run.py does the judging; to write one engine's answers alone:

    python3 -m pip install -r requirements.txt
    python3 engines.py CASES OUTPUTS [numpy|torch|onnxruntime]
"""

import json
import pathlib
import sys
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from torch.nn import functional

NORM = ("weight", "bias", "running_mean", "running_var")


class Case(NamedTuple):
    """What is handed out. Attributes are read as `case["stride"]`, arrays as `case.arrays["x"]`."""

    name: str
    op: str
    kind: str
    attributes: dict
    arrays: dict

    def __getitem__(self, attribute):
        return self.attributes[attribute]


def read(folder):
    folder = pathlib.Path(folder)
    for case in json.loads((folder / "cases.json").read_text())["cases"]:
        with np.load(folder / f"{case['name']}.npz") as file:
            arrays = {name: file[name] for name in file.files}
        yield Case(case["name"], case["op"], case["kind"], case["attributes"], arrays)


def write(folder, case, outputs):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    outputs = {name: np.asarray(array, np.float32) for name, array in outputs.items()}
    np.savez(pathlib.Path(folder) / f"{case.name}.npz", **outputs)


class Conv(NamedTuple):
    """The geometry of a convolution; `pad` is left, right, top, bottom."""

    stride: tuple = (1, 1)
    pad: tuple = (0, 0, 0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1

    @classmethod
    def of(cls, case):
        return cls(case["stride"], case["pad"], case["dilation"], case["groups"])


# numpy: a loop over the taps, and one product of matrices for each.


def padded(x, pad, **how):
    left, right, top, bottom = pad
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), **how)


def tap(u, v, size, conv):
    """The part of a padded map that the tap in row u, column v meets, for an output of this size."""
    starts = (u * conv.dilation[0], v * conv.dilation[1])
    return (..., *(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, size, conv.stride)))


def out_size(x, kernel, conv):
    left, right, top, bottom = conv.pad
    more = (top + bottom, left + right)
    reach = zip(x.shape[2:], more, kernel, conv.dilation, conv.stride)
    return tuple((n + p - (k - 1) * d - 1) // s + 1 for n, p, k, d, s in reach)


def in_groups(x, groups):
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:])


def np_conv(x, weight, conv, bias=None):
    (c_out, _, *kernel), size = weight.shape, out_size(x, weight.shape[2:], conv)
    if min(size) < 1:
        raise ValueError("the kernel does not fit on the map")
    x, weight = in_groups(padded(x, conv.pad), conv.groups), weight.reshape(conv.groups, -1, *weight.shape[1:])
    y = np.zeros((len(x), conv.groups, c_out // conv.groups, size[0] * size[1]), np.float32)
    for u, v in np.ndindex(*kernel):
        met = x[tap(u, v, size, conv)]
        y += weight[..., u, v] @ met.reshape(*met.shape[:3], -1)
    y = y.reshape(len(x), c_out, *size)
    return y if bias is None else y + bias[:, None, None]


def np_conv_back(x, weight, conv, g):
    """The gradients of the input and of the kernel."""
    (n, c_in, h, w), size, kernel = x.shape, g.shape[2:], weight.shape[2:]
    left, _, top, _ = conv.pad
    met, of = in_groups(padded(x, conv.pad), conv.groups), weight.reshape(conv.groups, -1, *weight.shape[1:])
    g = in_groups(g, conv.groups).reshape(n, conv.groups, -1, size[0] * size[1])
    grad_x, grad_weight = np.zeros_like(met), np.zeros_like(of)
    for u, v in np.ndindex(*kernel):
        at = tap(u, v, size, conv)
        part = met[at].reshape(*met.shape[:3], -1)
        grad_weight[..., u, v] = (g @ part.swapaxes(2, 3)).sum(0)
        grad_x[at] += (of[..., u, v].swapaxes(1, 2) @ g).reshape(met[at].shape)
    grad_x = grad_x.reshape(n, c_in, *met.shape[3:])[:, :, top:top + h, left:left + w]
    return grad_x, grad_weight.reshape(weight.shape)


def np_norm(z, case, name, running=None):
    """Batch norm; in training mode by the batch's own statistics, and `running` gets those that move."""
    gamma, beta, mean, var = (case.arrays[f"{name}.{part}"] for part in NORM)
    if case["training"]:
        count, old = np.float32(z.size // z.shape[1]), (mean, var)
        mean = z.mean((0, 2, 3))
        var = np.square(z - mean[:, None, None]).mean((0, 2, 3))
        m = np.float32(case["momentum"])
        batch = (mean, var * count / (count - 1))
        moved = ((1 - m) * was + m * now for was, now in zip(old, batch))
        running |= zip((f"{name}.running_mean", f"{name}.running_var"), moved)
    scale = gamma / np.sqrt(var + np.float32(case["eps"]))
    return (z - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]


def geometries(case):
    """Of the block's convolutions, by name."""
    stride, k = (case["stride"],) * 2, case["kernel_size"]
    first, second = (stride, (1, 1)) if case["stride_on"] == "conv1" else ((1, 1), stride)
    conv2 = Conv(second, (k // 2,) * 4, groups=case["groups"])
    return {"conv1": Conv(first), "conv2": conv2, "conv3": Conv(), "downsample.0": Conv(stride)}


def relu(z):
    return np.maximum(z, np.float32(0))


def np_block(case):
    arrays, running, geometry = case.arrays, {}, geometries(case)
    inputs, sums = {}, {}

    def step(number, x):
        name = f"conv{number}" if number else "downsample.0"
        inputs[name] = x
        z = np_conv(x, arrays[f"{name}.weight"], geometry[name])
        return np_norm(z, case, f"bn{number}" if number else "downsample.1", running)

    x = z = arrays["x"]
    for number in (1, 2):
        sums[number] = step(number, z)
        z = relu(sums[number])
    y = step(3, z) + (step(0, x) if case["downsample"] else x)
    if case.kind != "gradients":
        return {"y": relu(y)} | running

    def back(number, g):
        """Through batch norm, which in inference mode only scales, and the convolution."""
        conv, norm = (f"conv{number}", f"bn{number}") if number else ("downsample.0", "downsample.1")
        scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + np.float32(case["eps"]))
        weight = arrays[f"{conv}.weight"]
        g, grads[f"grad_{conv}.weight"] = np_conv_back(inputs[conv], weight, geometry[conv], g * scale[:, None, None])
        return g

    grads = {}
    g = arrays["grad_output"] * (y > 0)
    grads["grad_x"] = back(0, g) if case["downsample"] else g
    g = back(3, g)
    for number in (2, 1):
        g = back(number, g * (sums[number] > 0))
    grads["grad_x"] = grads["grad_x"] + g
    return grads


def by_numpy(case):
    if case.op == "block":
        return np_block(case)
    x, weight, bias = (case.arrays[name] for name in ("x", "weight", "bias"))
    if case.kind != "gradients":
        return {"y": np_conv(x, weight, Conv.of(case), bias)}
    g = case.arrays["grad_output"]
    grad_x, grad_weight = np_conv_back(x, weight, Conv.of(case), g)
    return {"grad_x": grad_x, "grad_weight": grad_weight, "grad_bias": g.sum((0, 2, 3))}


# PyTorch, gradients by autograd.


def torch_conv(x, weight, conv, bias=None):
    left, right, top, bottom = conv.pad
    padding = (top, left)
    if (left, top) != (right, bottom):
        x, padding = functional.pad(x, conv.pad), 0
    return functional.conv2d(x, weight, bias, tuple(conv.stride), padding, tuple(conv.dilation), conv.groups)


class TorchBlock:
    """The block; each step is a method, so that a wrong block is one with another method."""

    def __init__(self, case):
        self.case, self.geometry = case, geometries(case)
        self.p = {name: torch.from_numpy(array.copy()) for name, array in case.arrays.items()}
        for name, array in self.p.items():
            array.requires_grad_(name == "x" or "conv" in name or name == "downsample.0.weight")

    def conv(self, name, x):
        return torch_conv(x, self.p[f"{name}.weight"], self.geometry[name])

    def norm(self, name, z):
        gamma, beta, mean, var = (self.p[f"{name}.{part}"] for part in NORM)
        case = self.case
        return functional.batch_norm(z, mean, var, gamma, beta, case["training"], case["momentum"] or 0, case["eps"])

    def relu(self, number, z):
        return torch.relu(z)

    def reduce(self, x):
        return self.relu(1, self.norm("bn1", self.conv("conv1", x)))

    def transform(self, z):
        return self.relu(2, self.norm("bn2", self.conv("conv2", z)))

    def expand(self, z):
        return self.norm("bn3", self.conv("conv3", z))

    def shortcut(self, x):
        return self.norm("downsample.1", self.conv("downsample.0", x)) if self.case["downsample"] else x

    def join(self, branch, x):
        return self.relu(3, branch + self.shortcut(x))

    def forward(self):
        x = self.p["x"]
        return self.join(self.expand(self.transform(self.reduce(x))), x)

    def outputs(self):
        y = self.forward()
        if self.case.kind == "gradients":
            of = {name: array for name, array in self.p.items() if array.requires_grad}
            grads = torch.autograd.grad(y, list(of.values()), self.p["grad_output"], materialize_grads=True)
            return {f"grad_{name}": grad.numpy() for name, grad in zip(of, grads)}
        moved = {name: array for name, array in self.p.items() if self.case["training"] and ".running_" in name}
        return {name: array.detach().numpy() for name, array in ({"y": y} | moved).items()}


def by_torch(case):
    if case.op == "block":
        return TorchBlock(case).outputs()
    of = [torch.from_numpy(case.arrays[name]).requires_grad_() for name in ("x", "weight", "bias")]
    y = torch_conv(*of[:2], Conv.of(case), of[2])
    if case.kind != "gradients":
        return {"y": y.detach().numpy()}
    grads = torch.autograd.grad(y, of, torch.from_numpy(case.arrays["grad_output"]))
    return {f"grad_{name}": grad.numpy() for name, grad in zip(("x", "weight", "bias"), grads)}


# ONNX Runtime, a model for each case.


def by_onnxruntime(case):
    if case.kind in ("training", "gradients"):
        return None
    nodes, number = [], 0

    def node(op, *inputs, **attributes):
        nonlocal number
        number += 1
        nodes.append(onnx.helper.make_node(op, inputs, [f"z{number}"], **attributes))
        return f"z{number}"

    def conv(conv, *inputs):
        left, right, top, bottom = conv.pad
        sizes = dict(strides=conv.stride, dilations=conv.dilation, pads=[top, left, bottom, right])
        return node("Conv", *inputs, group=conv.groups, **sizes)

    def norm(name, z):
        return node("BatchNormalization", z, *(f"{name}.{part}" for part in NORM), epsilon=case["eps"])

    if case.op == "conv":
        y = conv(Conv.of(case), "x", "weight", "bias")
    else:
        z, geometry = "x", geometries(case)
        for at in (1, 2, 3):
            z = norm(f"bn{at}", conv(geometry[f"conv{at}"], z, f"conv{at}.weight"))
            z = node("Relu", z) if at < 3 else z
        down = case["downsample"]
        shortcut = norm("downsample.1", conv(geometry["downsample.0"], "x", "downsample.0.weight")) if down else "x"
        y = node("Relu", node("Add", z, shortcut))
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in case.arrays.items() if name != "x"]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, case.name, [info("x", 1, case.arrays["x"].shape)], [info(y, 1, None)], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"y": session.run(None, {"x": case.arrays["x"]})[0]}


ENGINES = {"numpy": by_numpy, "torch": by_torch, "onnxruntime": by_onnxruntime}

if __name__ == "__main__":
    engine = ENGINES[sys.argv[3] if len(sys.argv) > 3 else "numpy"]
    for each in read(sys.argv[1]):
        answer = engine(each)
        if answer is not None:
            write(sys.argv[2], each, answer)
