"""PyTorch, in each form, eager and as TorchScript, in either memory format.

A variant is FORM-MODE-LAYOUT. The layouts are `nchw`, plain arrays throughout; `inside`, plain arrays in
and out but channels_last in between; and `nhwc`, channels_last throughout.
"""

import json

import torch
from safetensors.torch import load_file
from torch.nn.functional import relu

from peers import protocol

folder, threads = protocol.start()
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
NAME = (folder / "name.txt").read_text()
IS_NETWORK = not NAME[0].isdigit()
LAST = torch.channels_last


def conv(weight, bias, **how):
    """A convolution with its batch norm folded in."""
    c_out, c_in, k, _ = weight.shape
    layer = torch.nn.Conv2d(c_in * how.get("groups", 1), c_out, k, **how)
    layer.weight.data, layer.bias.data = weight, bias
    return layer


def paths(weight, bias, **how):
    """The same as a list of convolutions, one for each path, divided by output channels."""
    parts = zip(weight.chunk(PATHS), bias.chunk(PATHS))
    return torch.nn.ModuleList(conv(w.clone(), b.clone(), **how) for w, b in parts)


class Whole(torch.nn.Module):
    """One convolution, and a ReLU."""

    def __init__(self, weight, bias, **how):
        super().__init__()
        self.conv = conv(weight, bias, **how)

    def forward(self, x):
        return relu(self.conv(x), inplace=True)


class Split(torch.nn.Module):
    """Every path reads all of x."""

    def __init__(self, weight, bias):
        super().__init__()
        self.paths = paths(weight, bias)

    def forward(self, x):
        return [relu(path(x), inplace=True) for path in self.paths]


class Each(torch.nn.Module):
    """Path i reads input i."""

    def __init__(self, weight, bias):
        super().__init__()
        self.paths = paths(weight, bias, padding=1)

    def forward(self, xs):
        return [relu(path(x), inplace=True) for path, x in zip(self.paths, xs)]


class Concatenated(torch.nn.Module):
    """The paths side by side, then one convolution, the shortcut and a ReLU."""

    def __init__(self, weight, bias):
        super().__init__()
        self.conv = conv(weight, bias)

    def forward(self, xs, shortcut):
        y = self.conv(xs if torch.is_tensor(xs) else torch.cat(xs, 1))
        return relu(y.add_(shortcut), inplace=True)


class Summed(torch.nn.Module):
    """The sum over the paths, then the shortcut and a ReLU. The first path has the bias."""

    def __init__(self, weight, bias):
        super().__init__()
        columns = weight.chunk(PATHS, 1)
        layers = [conv(columns[0].contiguous(), bias)]
        for column in columns[1:]:
            layer = conv(column.contiguous(), bias)
            layer.bias = None
            layers.append(layer)
        self.paths = torch.nn.ModuleList(layers)

    def forward(self, xs, shortcut):
        y = self.paths[0](xs[0])
        for path, x in zip(list(self.paths)[1:], xs[1:]):
            y.add_(path(x))
        return relu(y.add_(shortcut), inplace=True)


class Block(torch.nn.Module):
    """Three layers and the identity shortcut."""

    def __init__(self, reduce, transform, expand):
        super().__init__()
        self.reduce, self.transform, self.expand = reduce, transform, expand

    def forward(self, x):
        return self.expand(self.transform(self.reduce(x)), x)


class OnTensors(torch.nn.Module):
    """A single layer, on one tensor instead of a list with one tensor for each path."""

    def __init__(self, layer, cut):
        super().__init__()
        self.layer, self.cut = layer, cut

    def forward(self, x, *shortcut):
        y = self.layer(x.chunk(PATHS, 1) if self.cut else x, *shortcut)
        return y if torch.is_tensor(y) else torch.cat(y, 1)


class Inside(torch.nn.Module):
    """Plain arrays in and out, channels_last in between."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *xs):
        return self.model(*(x.contiguous(memory_format=LAST) for x in xs)).contiguous()


def of_block(form, model):
    """A layer of the block, or all of it."""
    weights = load_file(folder / "folded.safetensors")
    of = lambda name: (weights[f"{name}.weight"], weights[f"{name}.bias"])
    if form == "c":
        reduce = Whole(*of("reduce"))
        transform = Whole(*of("transform"), padding=1, groups=PATHS)
    else:
        reduce, transform = Split(*of("reduce")), Each(*of("transform"))
    expand = Summed(*of("expand")) if form == "a" else Concatenated(*of("expand"))
    match model:
        case "reduce":
            return OnTensors(reduce, cut=False)
        case "transform":
            return OnTensors(transform, cut=form != "c")
        case "expand":
            return OnTensors(expand, cut=form == "a")
        case "whole":
            return Block(reduce, transform, expand)


def of_network():
    import torchvision

    model = getattr(torchvision.models, NAME)(weights=None)
    model.load_state_dict(load_file(folder / "state_dict.safetensors"))
    return model


def load(variant, name):
    form, mode, layout = variant.split("-")
    model = (of_network() if IS_NETWORK else of_block(form, name)).eval()
    xs = [torch.from_numpy(x) for x in protocol.inputs(folder, name).values()]
    if layout != "nchw":
        model = model.to(memory_format=LAST)
    if layout == "inside":
        model = Inside(model)
    if layout == "nhwc":
        xs = [x.contiguous(memory_format=LAST) for x in xs]
    if mode == "script":
        model = torch.jit.freeze(torch.jit.trace(model, xs).eval())
        model = torch.jit.optimize_for_inference(model)

    def run():
        with torch.inference_mode():
            return model(*xs)

    if mode == "script":
        # Twice, because TorchScript specialises after it has seen the first inputs.
        for _ in range(2):
            run()
    return run


if IS_NETWORK:
    variants = ["c-script-nchw", "c-script-inside"]
else:
    description = json.loads((folder / "transform.json").read_text())
    PATHS = description["steps"][0]["groups"]
    plain = [
        f"{form}-{mode}-{layout}"
        for form in "abc"
        for mode in ("eager", "script")
        for layout in ("nchw", "inside")
    ]
    variants = [*plain, "c-eager-nhwc", "c-script-nhwc"]
protocol.serve(torch.__version__, variants, load)
