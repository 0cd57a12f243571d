"""Wrong convolutions and blocks, written anew from the descriptions of triform's galleries, and some unknown to them.

CONV and BLOCK are the mistakes of the galleries, by name: `triform check` must refute and name them. UNKNOWN holds
others, with what they do: it must refute them, name none, and say truly where they are wrong.

A mistake is a function from a case to its outputs: only those that it changes, none where it has nothing to get
wrong. It raises ValueError where wrong code would fail.
"""

import numpy as np
import torch
from torch.nn import functional

from engines import NORM, Conv, TorchBlock, in_groups, np_conv, np_conv_back, out_size, padded, tap, torch_conv

CONV, BLOCK, UNKNOWN = {}, {}, {}


class Data:
    """A convolution's case, taken apart."""

    def __init__(self, case):
        self.case, self.conv = case, Conv.of(case)
        self.x, self.weight, self.bias = (case.arrays[name] for name in ("x", "weight", "bias"))
        self.groups, self.n = case["groups"], len(self.x)
        (self.c_out, self.each_in, *self.kernel), self.c_in = self.weight.shape, self.x.shape[1]
        self.each_out = self.c_out // self.groups
        self.g = case.arrays.get("grad_output")
        self.output = out_size(self.x, self.kernel, self.conv)

    def y(self, x=None, weight=None, bias=None, **conv):
        """The output, with something else in the place of what is right."""
        x, weight = self.x if x is None else x, self.weight if weight is None else weight
        return np_conv(x, weight, self.conv._replace(**conv), self.bias if bias is None else bias)

    def back(self, x=None, weight=None, g=None):
        x, weight, g = (b if a is None else a for a, b in ((x, self.x), (weight, self.weight), (g, self.g)))
        return np_conv_back(x, weight, self.conv, g)

    def reading(self, source):
        """The output if channel c of group i reads channel source(i, c) of the input."""
        at = [source(i, c) for i in range(self.groups) for c in range(self.each_in)]
        return self.y(self.x[:, at])


def named(function):
    return function.__name__.strip("_").replace("_", "-")


def forward(function):
    """A mistake of the output: from the data to y."""
    def outputs(case):
        y = function(Data(case)) if case.kind != "gradients" else None
        return {} if y is None else {"y": y}
    CONV[named(function)] = outputs
    return function


def backward(output):
    """A mistake of one gradient."""
    def of(function):
        def outputs(case):
            grad = function(Data(case)) if case.kind == "gradients" else None
            return {} if grad is None else {output: grad}
        CONV[named(function)] = outputs
        return function
    return of


@forward
def groups_ignored(d):
    return d.reading(lambda i, c: c)


@forward
def groups_interleaved(d):
    return d.reading(lambda i, c: i + c * d.groups)


@forward
def groups_in_reverse(d):
    return d.reading(lambda i, c: (d.groups - 1 - i) * d.each_in + c)


@forward
def width_for_number(d):
    return d.reading(lambda i, c: (i * d.groups + c) % d.c_in)


@forward
def outputs_interleaved(d):
    y = in_groups(d.y(), d.groups)
    return y.swapaxes(1, 2).reshape(d.n, d.c_out, *d.output)


@forward
def group_by_remainder(d):
    x, one = in_groups(d.x, d.groups), d.conv._replace(groups=1)
    channel = [np_conv(x[:, o % d.groups], d.weight[o:o + 1], one, d.bias[o:o + 1]) for o in range(d.c_out)]
    return np.concatenate(channel, axis=1)


@forward
def one_filter_for_all(d):
    return d.y(weight=np.concatenate([d.weight[:d.each_out]] * d.groups))


@forward
def depthwise(d):
    o = np.arange(d.c_out)
    read = o % d.each_in  # of the group, by the channel's number among all outputs
    x, weight = d.x[:, o // d.each_out * d.each_in + read], d.weight[o, read][:, None]
    return np_conv(x, weight, d.conv._replace(groups=d.c_out), d.bias)


@forward
def kernel_flipped(d):
    return d.y(weight=d.weight[..., ::-1, ::-1])


@forward
def kernel_mirrored(d):
    return d.y(weight=d.weight[..., ::-1])


@forward
def kernel_transposed(d):
    k_h, k_w = d.kernel
    return d.y(weight=d.weight.reshape(d.c_out, d.each_in, k_w, k_h).swapaxes(2, 3))


@forward
def channels_transposed(d):
    if d.each_in != d.each_out:
        return None
    weight = d.weight.reshape(d.groups, d.each_out, d.each_in, *d.kernel)
    return d.y(weight=weight.swapaxes(1, 2).reshape(d.weight.shape))


def without_inputs(d, kept):
    """Channels that are left out are not read: NaN in them does not show."""
    if kept == 0:
        return np.broadcast_to(d.bias[:, None, None], (d.n, d.c_out, *d.output))
    x = in_groups(d.x, d.groups)[:, :, :kept]
    return d.y(x.reshape(d.n, -1, *d.x.shape[2:]), d.weight[:, :kept])


@forward
def last_term_missing(d):
    return without_inputs(d, d.each_in - 1)


@forward
def last_tap_missing(d):
    # Not read at all: an infinity there would give NaN with a weight of 0.
    x, conv = padded(d.x, d.conv.pad), d.conv._replace(pad=(0, 0, 0, 0))
    y = np.zeros((d.n, d.c_out, *d.output), np.float32)
    for u, v in np.ndindex(*d.kernel):
        if (u + 1, v + 1) != tuple(d.kernel):
            y += np_conv(x[tap(u, v, d.output, conv)], d.weight[:, :, u:u + 1, v:v + 1], Conv(groups=d.groups))
    return y + d.bias[:, None, None]


def sum_tail(lanes):
    def wrong(d):
        whole = d.each_in // lanes * lanes
        return without_inputs(d, whole) if whole else None  # without a full vector somebody would notice
    return wrong


def output_tail(lanes):
    def wrong(d):
        y, whole = d.y(), d.each_out // lanes * lanes
        in_groups(y, d.groups)[:, :, whole or d.each_out:] = 0
        return y
    return wrong


def row_tail(lanes):
    def wrong(d):
        y = d.y()
        y[..., y.shape[3] // lanes * lanes or y.shape[3]:] = 0
        return y
    return wrong


for _tail, _all in ((sum_tail, (4, 8, 16)), (output_tail, (4, 8, 16)), (row_tail, (4, 8, 16))):
    for _lanes in _all:
        _wrong = _tail(_lanes)
        _wrong.__name__ = f"{_tail.__name__}_{_lanes}"
        forward(_wrong)


@forward
def stride_axes_swapped(d):
    return d.y(stride=d.conv.stride[::-1])


@forward
def padding_axes_swapped(d):
    left, right, top, bottom = d.conv.pad
    return d.y(pad=(top, bottom, left, right))


@forward
def dilation_axes_swapped(d):
    return d.y(dilation=d.conv.dilation[::-1])


@forward
def padding_wrong_side(d):
    left, right, top, bottom = d.conv.pad
    return d.y(pad=(right, left, bottom, top))


@forward
def padding_all_before(d):
    left, right, top, bottom = d.conv.pad
    return d.y(pad=(left + right, 0, top + bottom, 0))


@forward
def padding_ignored(d):
    return d.y(pad=(0, 0, 0, 0))


@forward
def padding_replicated(d):
    return d.y(padded(d.x, d.conv.pad, mode="edge"), pad=(0, 0, 0, 0))


@forward
def padding_reflected(d):
    return d.y(padded(d.x, d.conv.pad, mode="reflect"), pad=(0, 0, 0, 0))


def cropped(y, size):
    """The corner of this size; 0 beyond the end."""
    whole = np.zeros((*y.shape[:2], *size), np.float32)
    part = y[..., :size[0], :size[1]]
    whole[..., :part.shape[2], :part.shape[3]] = part
    return whole


@forward
def stride_ignored(d):
    return cropped(d.y(stride=(1, 1)), d.output)


@forward
def stride_from_one(d):
    left, right, top, bottom = d.conv.pad
    # Only where there is padding to begin in.
    shift = [int(stride > 1 and before > 0) for stride, before in zip(d.conv.stride, (top, left))]
    x = padded(d.x, (left, right + shift[1], top, bottom + shift[0]))
    return d.y(x[..., shift[0]:, shift[1]:], pad=(0, 0, 0, 0))


@forward
def dilation_ignored(d):
    return cropped(d.y(dilation=(1, 1)), d.output)


@forward
def bias_missing(d):
    return d.y(bias=np.zeros_like(d.bias))


@forward
def bias_of_group(d):
    return d.y(bias=d.bias[np.arange(d.c_out) // d.each_out])


@forward
def bias_of_first_group(d):
    return d.y(bias=np.tile(d.bias[:d.each_out], d.groups))


@forward
def bias_once_a_group(d):
    return d.y(bias=d.bias * np.float32(d.groups))


@forward
def last_column_missing(d):
    y = d.y()
    y[..., -1] = 0
    return y


@forward
def last_row_missing(d):
    y = d.y()
    y[..., -1, :] = 0
    return y


@forward
def last_output_missing(d):
    y = d.y()
    y[:, -1] = 0
    return y


@forward
def last_group_missing(d):
    if d.groups == 1:
        return None
    y = d.y()
    y[:, -d.each_out:] = 0
    return y


@forward
def first_image_for_all(d):
    return np.stack([d.y()[0]] * d.n)


@forward
def zeros_at_16(d):
    if d.c_out % 16 or d.each_in >= 16 or d.groups == 1:
        return None
    return np.zeros((d.n, d.c_out, *d.output), np.float32)


@forward
def relu_applied(d):
    return np.maximum(d.y(), np.float32(0))


@forward
def nan_lost(d):
    return d.y(np.where(np.isnan(d.x), np.float32(0), d.x))


def weight_gradient(d, conv):
    """By a wrong geometry: the gradient of the output is cropped to its output, or met with 0 beyond its own end."""
    size = out_size(d.x, d.kernel, conv)
    if min(size) < 1:
        raise ValueError("the kernel does not fit on the map")
    return np_conv_back(d.x, d.weight, conv, cropped(d.g, size))[1]


@backward("grad_weight")
def weight_gradient_unstrided(d):
    return weight_gradient(d, d.conv._replace(stride=(1, 1)))


@backward("grad_weight")
def weight_gradient_undilated(d):
    return weight_gradient(d, d.conv._replace(dilation=(1, 1)))


@backward("grad_weight")
def weight_gradient_unpadded(d):
    return weight_gradient(d, d.conv._replace(pad=(0, 0, 0, 0)))


@backward("grad_weight")
def weight_gradient_next_group(d):
    return np.roll(d.back()[1], -d.each_out, 0)


@backward("grad_weight")
def weight_gradient_flipped(d):
    return d.back()[1][..., ::-1, ::-1]


@backward("grad_weight")
def weight_gradient_averaged(d):
    return d.back()[1] / np.float32(d.n)


@backward("grad_weight")
def weight_gradient_first_image(d):
    return d.back(x=d.x[:1], g=d.g[:1])[1]


@backward("grad_x")
def input_gradient_g_times(d):
    return d.back()[0] * np.float32(d.groups)


def input_gradient(d, **wrong):
    conv = d.conv._replace(**wrong)
    return np_conv_back(d.x, d.weight, conv, cropped(d.g, out_size(d.x, d.kernel, conv)))[0]


@backward("grad_x")
def input_gradient_unstrided(d):
    return input_gradient(d, stride=(1, 1))


@backward("grad_x")
def input_gradient_undilated(d):
    return input_gradient(d, dilation=(1, 1))


@backward("grad_x")
def input_gradient_not_flipped(d):
    return d.back(weight=d.weight[..., ::-1, ::-1])[0]


@backward("grad_x")
def input_gradient_one_filter(d):
    return d.back(weight=np.concatenate([d.weight[:d.each_out]] * d.groups))[0]


@backward("grad_bias")
def bias_gradient_averaged(d):
    return d.g.sum((0, 2, 3)) / np.float32(d.n)


@backward("grad_bias")
def bias_gradient_first_image(d):
    return d.g[0].sum((1, 2))


# Blocks: each is the right one of engines.py with one method changed, and its gradients come by autograd. What is
# wrong with "the" convolution or batch norm is wrong in the branch, or in the first of them, as in the gallery.


BRANCH = ("conv1", "conv2", "conv3")


def block(wrong):
    BLOCK[named(wrong)] = lambda case: wrong(case).outputs()
    return wrong


def sizes(case):
    """Paths, channels of each, channels of all."""
    return case["groups"], case["width"], case["groups"] * case["width"]


class Kernel(TorchBlock):
    """One of the kernels is read wrongly."""

    of = None

    def conv(self, name, x):
        right = self.p[f"{name}.weight"]
        if name == self.of:
            self.p[f"{name}.weight"] = self.read(right, *sizes(self.case))
        y = super().conv(name, x)
        self.p[f"{name}.weight"] = right
        return y


def kernel(name, of, read):
    BLOCK[name] = lambda case: type(name, (Kernel,), {"of": of, "read": staticmethod(read)})(case).outputs()


def where(keep, weight):
    """The weights for which keep(output channel, input channel) holds, 0 in place of the others."""
    o, c = torch.meshgrid(*map(torch.arange, weight.shape[:2]), indexing="ij")
    return torch.where(keep(o, c)[..., None, None], weight, 0)


kernel("last-path-dropped", "conv3", lambda w, paths, d, every: where(lambda o, c: c < every - d, w))
kernel("last-channel-dropped", "conv3", lambda w, paths, d, every: where(lambda o, c: c < every - 1, w))
kernel("next-path-3x3", "conv2", lambda w, paths, d, every: w.roll(-d, 0))
kernel("taps-transposed", "conv2", lambda w, *_: w.transpose(2, 3))
kernel("taps-flipped", "conv2", lambda w, *_: w.flip(2, 3))
kernel("3x3-shared", "conv2", lambda w, paths, d, every: w[:d].repeat(paths, 1, 1, 1))
kernel("depthwise", "conv2", lambda w, paths, d, every: where(lambda o, c: c == o % d, w))
kernel("input-split", "conv1", lambda w, paths, d, every: where(lambda o, c: c * paths // w.shape[1] == o // d, w))


class Between(TorchBlock):
    """The layer `before` reads other channels than it should."""

    before = None

    def conv(self, name, x):
        return super().conv(name, self.channels(x, *sizes(self.case)) if name == self.before else x)


def between(name, before, channels):
    BLOCK[name] = lambda case: type(name, (Between,), {"before": before, "channels": staticmethod(channels)})(
        case).outputs()


def paths_of(x, paths):
    return x.unflatten(1, (paths, -1))


def shuffled(x, groups):
    """The first channels of all groups, then the second ones ..."""
    return paths_of(x, groups).transpose(1, 2).flatten(1, 2)


between("groups-interleaved", "conv2", lambda x, paths, d, _: shuffled(x, d))
between("groups-halved", "conv2", lambda x, n, *_: paths_of(x, n)[:, [i - i % 2 for i in range(n)]].flatten(1, 2))
between("channels-shuffled", "conv3", lambda x, paths, *_: shuffled(x, paths))
between("concatenated-in-reverse", "conv3", lambda x, paths, *_: paths_of(x, paths).flip(1).flatten(1, 2))


@block
class padding_shifted(TorchBlock):
    def conv(self, name, x):
        p = self.case["kernel_size"] // 2
        if name != "conv2" or p == 0:
            return super().conv(name, x)
        conv = self.geometry[name]
        pad = (p + 1, p - 1, p + 1, p - 1)
        return torch_conv(x, self.p["conv2.weight"], conv._replace(pad=pad))


@block
class padded_before_norm(TorchBlock):
    def conv(self, name, x):
        if name == "conv1":
            return functional.pad(super().conv(name, x), self.geometry["conv2"].pad)
        if name == "conv2":
            return torch_conv(x, self.p["conv2.weight"], self.geometry["conv2"]._replace(pad=(0, 0, 0, 0)))
        return super().conv(name, x)


@block
class dilated(TorchBlock):
    def __init__(self, case):
        super().__init__(case)
        conv = self.geometry["conv2"]
        self.geometry["conv2"] = conv._replace(dilation=(2, 2), pad=tuple(2 * p for p in conv.pad))


@block
class norm_by_own_channel(TorchBlock):
    def norm(self, name, z):
        if name != "bn1":
            return super().norm(name, z)
        # Each path's norm is one of d channels, and moves their running statistics.
        every = {part: self.p[f"bn1.{part}"] for part in NORM}
        own = {f"bn1.{part}": array[:self.case["width"]] for part, array in every.items()}
        self.p |= own
        norm = super().norm
        z = torch.cat([norm(name, path) for path in z.chunk(self.case["groups"], 1)], 1)
        self.p |= {f"bn1.{part}": array for part, array in every.items()}
        return z


def affine(block, name):
    """Scale and shift of a batch norm in inference mode."""
    gamma, beta, mean, var = (block.p[f"{name}.{part}"] for part in NORM)
    scale = gamma / torch.sqrt(var + block.case["eps"])
    return scale, beta - mean * scale


def channelwise(array):
    return array[:, None, None]


@block
class shift_dropped(TorchBlock):
    def norm(self, name, z):
        if name != "bn2":
            return super().norm(name, z)
        if not self.case["training"]:
            return z * channelwise(affine(self, name)[0])
        return super().norm(name, z) - channelwise(self.p["bn2.bias"])


class Paths(TorchBlock):
    """The paths are summed one by one, as in form (a)."""

    def paths(self, z):
        both = z.chunk(self.case["groups"], 1), self.p["conv3.weight"].chunk(self.case["groups"], 1)
        return [functional.conv2d(path, weight) for path, weight in zip(*both)]


@block
class norm_in_each_path(Paths):
    def expand(self, z):
        return sum(self.norm("bn3", path) for path in self.paths(z))


@block
class relu_before_sum(Paths):
    def expand(self, z):
        return self.norm("bn3", sum(torch.relu(path) for path in self.paths(z)))


@block
class shift_c_times(TorchBlock):
    def expand(self, z):
        shift = self.p["bn3.bias"] if self.case["training"] else affine(self, "bn3")[1]
        return super().expand(z) + channelwise(shift) * (self.case["groups"] - 1)


def without_relu(name, missing):
    class Wrong(TorchBlock):
        def relu(self, number, z):
            return z if number == missing else torch.relu(z)
    BLOCK[name] = lambda case: Wrong(case).outputs()


without_relu("no-first-relu", 1)
without_relu("no-second-relu", 2)
without_relu("no-last-relu", 3)


@block
class shortcut_after_relu(TorchBlock):
    def join(self, branch, x):
        return torch.relu(branch) + self.shortcut(x)


@block
class no_shortcut(TorchBlock):
    def shortcut(self, x):
        # In training mode the projection still runs, and its statistics move.
        return 0 * super().shortcut(x).detach() if self.case["training"] else 0


@block
class relu_on_projection(TorchBlock):
    def shortcut(self, x):
        return torch.relu(super().shortcut(x)) if self.case["downsample"] else x


@block
class stride_on_1x1(TorchBlock):
    def __init__(self, case):
        super().__init__(case)
        conv2 = self.geometry["conv2"]._replace(stride=(1, 1))
        self.geometry |= {"conv1": Conv((case["stride"],) * 2), "conv2": conv2}


@block
class last_column_missing(TorchBlock):
    def conv(self, name, x):
        z = super().conv(name, x)
        return z if name not in BRANCH else torch.where(torch.arange(z.shape[3]) < z.shape[3] - 1, z, 0)


@block
class first_image_for_all(TorchBlock):
    def conv(self, name, x):
        z = super().conv(name, x)
        return z[:1].expand_as(z) if name in BRANCH else z


@block
class epsilon_left_out(TorchBlock):
    of = "bn1",

    def norm(self, name, z):
        if name not in self.of:
            return super().norm(name, z)
        super().norm(name, z)  # for the running statistics
        gamma, beta, mean, var = (self.p[f"{name}.{part}"] for part in NORM)
        if self.case["training"]:
            mean, var = z.mean((0, 2, 3)), z.var((0, 2, 3), unbiased=False)
        return channelwise(gamma / torch.sqrt(var)) * (z - channelwise(mean)) + channelwise(beta)


EVERY_NORM = "bn1", "bn2", "bn3", "downsample.1"


@block
class epsilon_left_out_everywhere(epsilon_left_out):
    of = EVERY_NORM


BLOCK["epsilon-1e-5-everywhere"] = lambda case: TorchBlock(
    case._replace(attributes=case.attributes | {"eps": 1e-5})).outputs()


class Moving(TorchBlock):
    """Something is wrong with the running statistics."""

    of = "bn1",

    def norm(self, name, z):
        old = [self.p[f"{name}.{part}"].clone() for part in NORM[2:]]
        y = super().norm(name, z)
        if self.case["training"] and name in self.of:
            moved = self.moved(z, old, [self.p[f"{name}.{part}"] for part in NORM[2:]])
            self.p |= zip((f"{name}.{part}" for part in NORM[2:]), moved)
        return y


@block
class biased_variance(Moving):
    def moved(self, z, old, new):
        biased = z.var((0, 2, 3), unbiased=False)
        return new[0], old[1] + self.case["momentum"] * (biased - old[1])


@block
class statistics_twice(Moving):
    def moved(self, z, old, new):
        return [now + (1 - self.case["momentum"]) * (now - was) for was, now in zip(old, new)]


@block
class biased_variance_everywhere(biased_variance):
    of = EVERY_NORM


@block
class statistics_twice_everywhere(statistics_twice):
    of = EVERY_NORM


@block
class no_relu_anywhere(TorchBlock):
    def relu(self, number, z):
        return z


@block
class nan_to_0_everywhere(TorchBlock):
    def relu(self, number, z):
        return torch.where(z > 0, z, 0)


@block
class relu_derivative_at_0_everywhere(TorchBlock):
    def relu(self, number, z):
        return torch.where(z < 0, 0, z)


@block
class shift_dropped_everywhere(TorchBlock):
    def norm(self, name, z):
        if not self.case["training"]:
            return z * channelwise(affine(self, name)[0])
        return super().norm(name, z) - channelwise(self.p[f"{name}.bias"])


@block
class weights_in_f16(TorchBlock):
    def conv(self, name, x):
        right = self.p[f"{name}.weight"]
        self.p[f"{name}.weight"] = right.half().float()
        z = super().conv(name, x)
        self.p[f"{name}.weight"] = right
        return z


@block
class nan_to_0(TorchBlock):
    def relu(self, number, z):
        return torch.where(z > 0, z, 0) if number == 3 else torch.relu(z)


@block
class axes_swapped(TorchBlock):
    def conv(self, name, x):
        if name != "conv2":
            return super().conv(name, x)
        n, c, h, w = x.shape
        z = super().conv(name, x.reshape(n, c, w, h))
        return z.reshape(*z.shape[:2], z.shape[3], z.shape[2])


# Of gradients alone: a value of its own, and a gradient from elsewhere.


def value_of(case, right, by):
    """The values of one, the gradients of the other."""
    return by + (right - by).detach() if case.kind == "gradients" else right


@block
class relu_derivative_at_0(TorchBlock):
    def relu(self, number, z):
        return torch.where(z < 0, 0, z) if number == 1 else torch.relu(z)


@block
class gradient_to_next_path(TorchBlock):
    def outputs(self):
        outputs = super().outputs()
        if self.case.kind == "gradients":
            grad = outputs["grad_conv2.weight"]
            outputs["grad_conv2.weight"] = np.roll(grad, -self.case["width"], 0)
        return outputs


@block
class gradient_c_times(TorchBlock):
    def conv(self, name, x):
        return super().conv(name, value_of(self.case, x, x * self.case["groups"]) if name == "conv2" else x)


@block
class stride_lost_backwards(TorchBlock):
    def conv(self, name, x):
        z, geometry = super().conv(name, x), self.geometry[name]
        every = torch_conv(x, self.p[f"{name}.weight"], geometry._replace(stride=(1, 1)))
        return value_of(self.case, z, every[..., :z.shape[2], :z.shape[3]]) if name in BRANCH else z


# Mistakes that no gallery has, each with what it does.


def unknown(op, does):
    """Of a convolution a function from its data to the outputs that it changes; of a block a class."""
    def of(wrong):
        def outputs(case):
            if case.op != op:
                return {}
            return wrong(case).outputs() if op == "block" else wrong(Data(case)) or {}
        UNKNOWN[named(wrong)] = op, does, outputs
        return wrong
    return of


def of_output(change):
    """For functions from the data to y, when the output is asked for."""
    def wrong(d):
        return {"y": change(d)} if d.g is None else {}
    wrong.__name__ = change.__name__
    return wrong


def of_gradient(change):
    def wrong(d):
        return {} if d.g is None else change(d)
    wrong.__name__ = change.__name__
    return wrong


@unknown("conv", "group i uses the kernels of group i + 1")
@of_output
def filters_of_next_group(d):
    return d.y(weight=np.roll(d.weight, -d.each_out, 0))


@unknown("conv", "all groups from the third on read the channels of the second")
@of_output
def second_group_for_the_rest(d):
    return d.reading(lambda i, c: min(i, 1) * d.each_in + c)


@unknown("conv", "the border is 1, not 0")
@of_output
def padded_with_ones(d):
    return d.y(padded(d.x, d.conv.pad, constant_values=1), pad=(0, 0, 0, 0))


@unknown("conv", "the border goes on at the other side of the map")
@of_output
def padding_wrapped(d):
    return d.y(padded(d.x, d.conv.pad, mode="wrap"), pad=(0, 0, 0, 0))


@unknown("conv", "the bias is subtracted")
@of_output
def bias_subtracted(d):
    return d.y(bias=-d.bias)


@unknown("conv", "the last image of a batch is 0")
@of_output
def last_image_missing(d):
    y = d.y()
    y[-1] = 0
    return y


@unknown("conv", "the images come back in reverse order")
@of_output
def images_in_reverse(d):
    return d.y()[::-1]


@unknown("conv", "rows of the output beyond the eighth are 0")
@of_output
def rows_beyond_eight_missing(d):
    y = d.y()
    y[:, :, 8:] = 0
    return y


@unknown("conv", "every second column of the output repeats the one before it")
@of_output
def odd_columns_repeat(d):
    y = d.y()
    return y[..., np.arange(y.shape[3]) // 2 * 2]


@unknown("conv", "outputs are clamped to the range of f16")
@of_output
def clamped_to_f16(d):
    return np.clip(d.y(), -65504, 65504)


@unknown("conv", "the rows' dilation holds for the columns, too")
@of_output
def dilation_of_rows_for_both(d):
    return d.y(dilation=(d.conv.dilation[0],) * 2)


@unknown("conv", "padding of the columns is left out where the rows have none")
@of_output
def columns_unpadded_without_rows(d):
    left, right, top, bottom = d.conv.pad
    return d.y(pad=(left, right, top, bottom) if top + bottom else (0, 0, 0, 0))


@unknown("conv", "the weights keep four significant bits, as in an 8-bit float")
@of_output
def weights_in_four_bits(d):
    size = np.exp2(np.floor(np.log2(np.abs(d.weight))) - 3)
    return d.y(weight=np.round(d.weight / size) * size)


@unknown("conv", "batches of four images come back as zeros")
@of_output
def batches_of_four_missing(d):
    return d.y() * np.float32(len(d.x) % 4 != 0)


@unknown("conv", "infinities in the input are the largest float")
@of_output
def infinity_clamped(d):
    most = np.finfo(np.float32).max
    return d.y(np.clip(d.x, -most, most))


@unknown("conv", "the gradient of the kernel is divided by g")
@of_gradient
def weight_gradient_over_groups(d):
    return {"grad_weight": d.back()[1] / np.float32(d.groups)}


@unknown("conv", "the last row of the input gets no gradient")
@of_gradient
def input_gradient_last_row_missing(d):
    grad = d.back()[0].copy()
    grad[:, :, -1] = 0
    return {"grad_x": grad}


@unknown("conv", "the gradient of the bias is that of the first row of the map alone")
@of_gradient
def bias_gradient_first_row(d):
    return {"grad_bias": d.g[:, :, 0].sum((0, 2))}


@unknown("block", "the first two batch norms are exchanged")
class norms_exchanged(TorchBlock):
    def norm(self, name, z):
        return super().norm({"bn1": "bn2", "bn2": "bn1"}.get(name, name), z)


@unknown("block", "the last ReLU is a ReLU6")
class relu6_at_the_end(TorchBlock):
    def relu(self, number, z):
        return functional.relu6(z) if number == 3 else torch.relu(z)


@unknown("block", "no batch norm follows the projection")
class projection_without_norm(TorchBlock):
    def shortcut(self, x):
        return self.conv("downsample.0", x) if self.case["downsample"] else x


@unknown("block", "negative values keep a hundredth of their size after the 3x3")
class leaky_relu(TorchBlock):
    def relu(self, number, z):
        return functional.leaky_relu(z) if number == 2 else torch.relu(z)


@unknown("block", "the ReLU after the first 1x1 comes before its batch norm")
class relu_before_norm(TorchBlock):
    def reduce(self, x):
        return self.norm("bn1", torch.relu(self.conv("conv1", x)))


@unknown("block", "the projection begins at position 1, not 0, where it is strided")
class projection_from_one(TorchBlock):
    def conv(self, name, x):
        if name == "downsample.0" and self.case["stride"] > 1:
            x = x.roll((-1, -1), (2, 3))
        return super().conv(name, x)


@unknown("block", "epsilon is added to the standard deviation, not to the variance")
class epsilon_outside_the_root(TorchBlock):
    def norm(self, name, z):
        if self.case["training"]:
            return super().norm(name, z)
        gamma, beta, mean, var = (channelwise(self.p[f"{name}.{part}"]) for part in NORM)
        return (z - mean) / (torch.sqrt(var) + self.case["eps"]) * gamma + beta


@unknown("block", "running statistics keep momentum of the old and move by the rest")
class momentum_inverted(TorchBlock):
    def __init__(self, case):
        super().__init__(case._replace(attributes=case.attributes | {"momentum": 1 - (case["momentum"] or 0)}))


@unknown("block", "training mode normalises by the running statistics")
class running_statistics_in_training(TorchBlock):
    def norm(self, name, z):
        old = [self.p[f"{name}.{part}"].clone() for part in NORM[2:]]
        y = super().norm(name, z)
        if not self.case["training"]:
            return y
        gamma, beta = (self.p[f"{name}.{part}"] for part in NORM[:2])
        return functional.batch_norm(z, *old, gamma, beta, False, 0, self.case["eps"])


@unknown("block", "the last ReLU passes every gradient back")
class last_relu_unmasked(TorchBlock):
    def relu(self, number, z):
        return value_of(self.case, torch.relu(z), z) if number == 3 else torch.relu(z)


@unknown("block", "going back, batch norm multiplies by gamma, but does not divide by the deviation")
class norm_undivided_backwards(TorchBlock):
    def norm(self, name, z):
        return value_of(self.case, super().norm(name, z), z * channelwise(self.p[f"{name}.weight"]))


@unknown("block", "the identity shortcut is added twice")
class shortcut_twice(TorchBlock):
    def shortcut(self, x):
        return super().shortcut(x) * (1 if self.case["downsample"] else 2)
