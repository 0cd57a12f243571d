"""Cases of a convolution as a folder that triform reads: cases.json and one .npz a case."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np


@dataclass
class Conv:
    """A convolution with its data, axes in PyTorch's order. `pad` is left, right, top, bottom."""

    name: str
    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    stride: tuple = (1, 1)
    pad: tuple = (0, 0, 0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1
    grad_output: np.ndarray | None = None

    @property
    def kind(self):
        return "floats" if self.grad_output is None else "gradients"

    def attributes(self):
        left, right, top, bottom = self.pad
        return {
            "in_channels": self.weight.shape[1] * self.groups,
            "out_channels": self.weight.shape[0],
            "kernel_size": list(self.weight.shape[2:]),
            "stride": list(self.stride),
            "pad": list(self.pad),
            "padding": [top, left] if (top, left) == (bottom, right) else None,
            "dilation": list(self.dilation),
            "groups": self.groups,
        }

    def inputs(self):
        arrays = {"x": self.x, "weight": self.weight, "bias": self.bias}
        if self.grad_output is not None:
            arrays["grad_output"] = self.grad_output
        return {name: np.ascontiguousarray(array, "<f4") for name, array in arrays.items()}

    def output_shape(self):
        left, right, top, bottom = self.pad
        sizes = zip(
            self.x.shape[2:],
            (top + bottom, left + right),
            self.weight.shape[2:],
            self.stride,
            self.dilation,
            strict=True,
        )
        maps = [(size + pad - d * (k - 1) - 1) // s + 1 for size, pad, k, s, d in sizes]
        return [self.x.shape[0], self.weight.shape[0], *maps]

    def outputs(self):
        """The shapes of what must come back, by name."""
        if self.grad_output is None:
            return {"y": self.output_shape()}
        return {f"grad_{name}": list(getattr(self, name).shape) for name in ("x", "weight", "bias")}

    def y(self):
        """The right output, in float64: to compare with outputs that a suite publishes."""
        left, right, top, bottom = self.pad
        x = np.pad(self.x.astype(float), ((0, 0), (0, 0), (top, bottom), (left, right)))
        (k_h, k_w), (d_h, d_w), (s_h, s_w) = self.weight.shape[2:], self.dilation, self.stride
        reach = (d_h * (k_h - 1) + 1, d_w * (k_w - 1) + 1)
        windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
        windows = windows[:, :, ::s_h, ::s_w, ::d_h, ::d_w]
        n, c, h, w = windows.shape[:4]
        windows = windows.reshape(n, self.groups, c // self.groups, h, w, k_h, k_w)
        weight = self.weight.astype(float).reshape(self.groups, -1, *self.weight.shape[1:])
        y = np.einsum("ngchwuv,gocuv->ngohw", windows, weight, optimize=True)
        return y.reshape(n, -1, h, w) + self.bias.astype(float)[:, None, None]

    def sha256(self):
        """What src/check/case.rs hashes, in its order."""
        attributes = json.dumps(self.attributes(), sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(f"{self.name}\nconv\n{self.kind}\n{attributes}\n".encode())
        for name, array in self.inputs().items():
            digest.update(f"{name} {list(array.shape)}\n".encode())
            digest.update(array.tobytes())
        return digest


def of_shapes(shapes):
    return {name: {"shape": list(shape), "dtype": "float32"} for name, shape in shapes.items()}


def commitment(cases):
    return hashlib.sha256(b"".join(case.sha256().digest() for case in cases)).hexdigest()


def write(folder, cases):
    """Writes the cases into a new folder, as `triform cases` does."""
    folder.mkdir(parents=True)
    listed = []
    for case in cases:
        inputs = case.inputs()
        np.savez(folder / f"{case.name}.npz", **inputs)
        listed.append(
            {
                "name": case.name,
                "op": "conv",
                "kind": case.kind,
                "attributes": case.attributes(),
                "inputs": of_shapes({name: array.shape for name, array in inputs.items()}),
                "outputs": of_shapes(case.outputs()),
                "sha256": case.sha256().hexdigest(),
            }
        )
    listing = {
        "schema": 1,
        "triform": "adequacy/suites.py",
        "seed": None,
        "secret_sha256": None,
        "commitment": commitment(cases),
        "cases": listed,
    }
    (folder / "cases.json").write_text(json.dumps(listing, indent=2) + "\n")
