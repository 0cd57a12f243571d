"""A small description of a model, from which each engine's own model is made.

A graph is a list of steps, each of which names what it reads and what it makes. ONNX files are written
from it for the engines that read them; the Rust worker for candle reads it as JSON.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Old enough for every engine here, and new enough to have all that is needed.
OPSET = 17
IR_VERSION = 8


class Graph:
    """Steps, in order; the last one makes the output. `inputs` has the names and shapes of tensors."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.steps = []
        self.weights = {}

    def conv(self, x, y, weight, bias, stride=1, pad=0, groups=1):
        self.weights[f"{y}.weight"] = weight.astype(np.float32)
        self.weights[f"{y}.bias"] = bias.astype(np.float32)
        how = {"stride": stride, "pad": pad, "groups": groups}
        return self._step("conv", [x], y, **how)

    def relu(self, x, y):
        return self._step("relu", [x], y)

    def add(self, one, other, y):
        return self._step("add", [one, other], y)

    def max_pool(self, x, y):
        """3 x 3, stride 2, padding 1: a ResNet has no other."""
        return self._step("max_pool", [x], y)

    def mean(self, x, y):
        """N x C x H x W to N x C."""
        return self._step("mean", [x], y)

    def linear(self, x, y, weight, bias):
        self.weights[f"{y}.weight"] = weight.astype(np.float32)
        self.weights[f"{y}.bias"] = bias.astype(np.float32)
        return self._step("linear", [x], y)

    def _step(self, op, reads, makes, **how):
        self.steps.append({"op": op, "reads": reads, "makes": makes, **how})
        return makes

    @property
    def output(self):
        return self.steps[-1]["makes"]

    def write_json(self, path, files):
        """Writes the steps; `files` names the file with the numbers of each input."""
        inputs = [
            {"name": name, "shape": list(shape), "file": files[name]} for name, shape in self.inputs
        ]
        description = {"inputs": inputs, "steps": self.steps}
        pathlib.Path(path).write_text(json.dumps(description, indent=1))

    def write_onnx(self, path, output_shape):
        nodes = [node for step in self.steps for node in onnx_nodes(step)]
        tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(
            nodes,
            "triform",
            [tensor(name, shape) for name, shape in self.inputs],
            [tensor(self.output, output_shape)],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def onnx_nodes(step):
    """The ONNX nodes of one step."""
    reads, makes = step["reads"], step["makes"]
    parameters = [*reads, f"{makes}.weight", f"{makes}.bias"]
    match step["op"]:
        case "conv":
            return [
                helper.make_node(
                    "Conv",
                    parameters,
                    [makes],
                    strides=[step["stride"]] * 2,
                    pads=[step["pad"]] * 4,
                    group=step["groups"],
                )
            ]
        case "relu":
            return [helper.make_node("Relu", reads, [makes])]
        case "add":
            return [helper.make_node("Add", reads, [makes])]
        case "max_pool":
            window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
            return [helper.make_node("MaxPool", reads, [makes], **window)]
        case "mean":
            pooled = f"{makes}.pooled"
            return [
                helper.make_node("GlobalAveragePool", reads, [pooled]),
                helper.make_node("Flatten", [pooled], [makes]),
            ]
        case "linear":
            return [helper.make_node("Gemm", parameters, [makes], transB=1)]
        case other:
            raise AssertionError(f"no step {other}")
