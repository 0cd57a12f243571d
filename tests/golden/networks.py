"""Writes networks.json: logits of torchvision's ten ResNets, in f64, on weights that both sides make by
one formula, so that no weights are stored. Run with PyTorch and torchvision."""

import json
import pathlib

import numpy as np
import torch
import torchvision

NAMES = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d "
    "resnext101_64x4d wide_resnet50_2 wide_resnet101_2"
).split()
# Batch, height, width.
SHAPES = {"resnet18": (3, 64, 96), "resnext50_32x4d": (2, 96, 64)}


def uniform(tensor, length):
    """Numbers in -0.5..0.5, the same on every machine: a hash of tensor and element."""
    with np.errstate(over="ignore"):
        x = np.arange(length, dtype=np.uint32) * np.uint32(0x9E3779B1)
        x += np.uint32(tensor) * np.uint32(0x85EBCA77)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x / 2.0**32 - 0.5


def numbers(tensor, name, shape):
    u = uniform(tensor, int(np.prod(shape)))
    if len(shape) == 4:
        u *= np.sqrt(24.0 / (shape[0] * shape[2] * shape[3]))
    elif len(shape) == 2:
        u *= 2.0 / np.sqrt(shape[1])
    elif name.endswith("running_var") or name.endswith(".weight"):
        u += 1.0
    return u.reshape(shape).astype(np.float32)


def main():
    golden = {}
    for name in NAMES:
        model = getattr(torchvision.models, name)(weights=None).eval()
        state = model.state_dict()
        keys = [key for key in state if not key.endswith("num_batches_tracked")]
        for tensor, key in enumerate(keys):
            state[key] = torch.from_numpy(numbers(tensor, key, tuple(state[key].shape)))
        model.load_state_dict(state)
        shape = SHAPES.get(name, (1, 64, 64))
        batch, height, width = shape
        x = uniform(999, batch * 3 * height * width).reshape(batch, 3, height, width) * 4
        x = torch.from_numpy(x.astype(np.float32)).double()
        with torch.no_grad():
            logits = model.double()(x).numpy()
            features = torch.nn.Sequential(*list(model.children())[:-1])(x).flatten(1).numpy()
        golden[name] = {
            "input": list(shape),
            "largest": float(np.abs(logits).max()),
            "logits": [[float(v) for v in row[::100]] for row in logits],
            "features": [[float(v) for v in row[:: row.size // 8]] for row in features],
        }
    path = pathlib.Path(__file__).with_name("networks.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
