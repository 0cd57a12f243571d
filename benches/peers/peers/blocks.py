"""The blocks to compare, their weights, and the outputs that they must give."""

import pathlib

import numpy as np
from safetensors.numpy import save_file

from .bound import Layer, conv, relative, used, with_bits
from .graph import Graph

# In and out channels, paths, width of a path, and the map: the second block of each stage of ResNeXt-50.
SHAPES = {
    "256x32x4": (256, 32, 4, 56),
    "512x32x8": (512, 32, 8, 28),
    "1024x32x16": (1024, 32, 16, 14),
    "2048x32x32": (2048, 32, 32, 7),
}


class Block:
    """A job: one block, drawn from a seed and written into a folder for all contenders."""

    kind = "block"

    def __init__(self, name, folder, seed=0):
        self.name, self.folder = name, pathlib.Path(folder)
        channels, paths, width, side = SHAPES[name]
        inner = paths * width
        self.map = f"{side}x{side}"
        # Multiply-adds.
        self.products = side * side * (2 * channels * inner + inner * width * 9)
        self._draw(np.random.default_rng([seed, channels]), channels, paths, inner, side)
        self._write(channels, paths, side)

    def _draw(self, rng, channels, paths, inner, side):
        self.x = rng.standard_normal((1, channels, side, side), dtype=np.float32)
        shapes = {
            "reduce": ((inner, channels, 1, 1), {}),
            "transform": ((inner, inner // paths, 3, 3), {"groups": paths, "pad": 1}),
            "expand": ((channels, inner, 1, 1), {}),
        }
        self.layers, self.norms, self.inputs, self.expected = {}, {}, {}, {}
        here = self.x[0]
        whole = self.x[0].astype(np.float64), np.zeros(self.x[0].shape)
        for name, (shape, how) in shapes.items():
            fan_in = np.prod(shape[1:])
            weight = rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))
            shortcut = self.x[0].astype(np.float64) if name == "expand" else None
            norm = drawn_norm(rng, weight, here, shortcut, how)
            layer = Layer(weight, norm, **how)
            with_shortcut = None if shortcut is None else (shortcut, np.zeros(shortcut.shape))
            # Each layer gets the same floats in every contender. In the whole block, errors accumulate.
            cut = here.astype(np.float64), np.zeros(here.shape)
            self.inputs[name] = here[None]
            self.expected[name] = layer.bounded(*cut, with_shortcut)
            whole = layer.bounded(*whole, with_shortcut)
            self.layers[name], self.norms[name] = layer, (weight, norm)
            here = self.expected[name][0].astype(np.float32)
        self.inputs["whole"], self.expected["whole"] = self.x, whole

    def _write(self, channels, paths, side):
        np.save(self.folder / "x.npy", self.x)
        (self.folder / "name.txt").write_text(self.name)
        tensors = {}
        for number, name in enumerate(self.layers, 1):
            np.save(self.folder / f"{name}.in.npy", self.inputs[name])
            weight, norm = self.norms[name]
            tensors[f"conv{number}.weight"] = weight
            parts = ("weight", "bias", "running_mean", "running_var")
            tensors |= {f"bn{number}.{part}": value for part, value in zip(parts, norm)}
        save_file(tensors, self.folder / "state_dict.safetensors")
        folded = {}
        for model in ("reduce", "transform", "expand", "whole"):
            graph, files = self._graph(model, channels)
            folded |= graph.weights
            graph.write_json(self.folder / f"{model}.json", files)
            graph.write_onnx(self.folder / f"{model}.onnx", (1, *self.expected[model][0].shape))
        save_file(folded, self.folder / "folded.safetensors")

    def _graph(self, model, channels):
        """A layer, or all three, as a model with batch norms folded."""
        shape = self.x.shape
        first = "x" if model in ("reduce", "whole") else "h"
        inputs = [(first, self.inputs[model].shape)]
        files = {"x": "x.npy", "h": f"{model}.in.npy"}
        if model == "expand":
            inputs.append(("x", shape))
        graph, here = Graph(inputs), first
        for name in self.layers if model == "whole" else [model]:
            layer = self.layers[name]
            weight, bias = layer.folded()
            here = graph.conv(here, name, weight, bias, pad=layer.pad, groups=layer.groups)
            if name == "expand":
                here = graph.add(here, "x", "sum")
            here = graph.relu(here, f"{name}.relu")
        return graph, files

    def refuted(self):
        """How far an engine that computes in fewer bits would be off in the 3x3, as a multiple of the bound.

        A check that could refute nothing would be worthless. The 3x3 has the shortest sums, so its check
        notices the most.
        """
        layer, x = self.layers["transform"], self.inputs["transform"][0].astype(np.float64)
        centre, radius = self.expected["transform"]
        found = {}
        for name, bits in {"bf16": 7, "TF32": 10}.items():
            weight = with_bits(layer.folded()[0].astype(np.float64), bits)
            bias = layer.folded()[1].astype(np.float64)[:, None, None]
            y = np.maximum(conv(with_bits(x, bits), weight, layer.groups, layer.pad) + bias, 0)
            live = centre > 0
            found[name] = used(y[live], centre[live], radius[live])
        return found

    def models(self):
        """The names of the models that are checked."""
        return list(self.expected)

    def judge(self, model, found):
        """The part of the bound that is used, and the largest difference divided by the largest value."""
        centre, radius = self.expected[model]
        return used(found[0], centre, radius), relative(found[0], centre)


def drawn_norm(rng, weight, x, shortcut, how):
    """Gamma, beta, mean and variance, such that zero lies at a random quantile of each channel's values."""
    channels = len(weight)
    z = conv(x.astype(np.float64), weight.astype(np.float64), how.get("groups", 1), how.get("pad", 0))
    gamma = (0.5 + rng.random(channels)).astype(np.float32)
    gamma *= rng.choice(np.float32([-1, 1]), channels)
    mean = (0.3 * rng.standard_normal(channels)).astype(np.float32)
    variance = (z.var(axis=(1, 2)) * (0.5 + rng.random(channels))).astype(np.float32)
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + 1e-5)
    y = scale[:, None, None] * (z - mean[:, None, None])
    if shortcut is not None:
        y = y + shortcut
    quantiles = rng.uniform(0.2, 0.8, channels)
    beta = [-np.quantile(plane, quantile) for plane, quantile in zip(y, quantiles)]
    return gamma, np.float32(beta), mean, variance
