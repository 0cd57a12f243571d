"""Wrong convolutions and blocks, written anew from the descriptions of triform's galleries, and some unknown to them.

CONV and BLOCK are the mistakes of the galleries, by name: `triform check` must refute and name them. UNKNOWN holds
others, with what they do: it must refute them, name none, and say truly where they are wrong.

A mistake is a function from a case to its outputs: only those that it changes, none where it has nothing to get
wrong. It raises ValueError where wrong code would fail.
"""

import numpy as np
import torch
from torch.nn import functional

from engines import NORM, Conv, TorchBlock, in_groups, np_conv, np_conv_back, out_size, padded, tap

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
def one_filter_for_all(d):
    return d.y(weight=np.concatenate([d.weight[:d.each_out]] * d.groups))


@forward
def depthwise(d):
    x, weight = d.x, np.zeros_like(d.weight)
    for o in range(d.c_out):
        weight[o, o % d.each_in] = d.weight[o, o % d.each_in]
    return d.y(weight=weight)


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
    return lambda d: without_inputs(d, d.each_in // lanes * lanes)


def output_tail(lanes):
    def wrong(d):
        y = d.y()
        in_groups(y, d.groups)[:, :, d.each_out // lanes * lanes:] = 0
        return y
    return wrong


def row_tail(lanes):
    def wrong(d):
        y = d.y()
        y[..., y.shape[3] // lanes * lanes:] = 0
        return y
    return wrong


for _tail, _all in ((sum_tail, (4, 8, 16)), (output_tail, (4, 8, 16)), (row_tail, (4, 8))):
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
    shift = [int(stride > 1) for stride in d.conv.stride]
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


def weight_gradient(d, x, conv):
    """By a wrong geometry; what lies beyond the map is 0."""
    x, grad = padded(x, conv.pad), np.zeros_like(d.weight)
    size = d.g.shape[2:]
    reach = [(k - 1) * e + (n - 1) * s + 1 for k, e, n, s in zip(d.kernel, conv.dilation, size, conv.stride)]
    more = [max(0, r - n) for r, n in zip(reach, x.shape[2:])]
    x = in_groups(padded(x, (0, more[1], 0, more[0])), d.groups)
    for u, v in np.ndindex(*d.kernel):
        part = x[tap(u, v, size, conv)]
        g = in_groups(d.g, d.groups)
        both = np.einsum("ngoij,ngcij->goc", g, part, optimize=True)
        grad[:, :, u, v] = both.reshape(d.c_out, d.each_in)
    return grad


@backward("grad_weight")
def weight_gradient_unstrided(d):
    return weight_gradient(d, d.x, d.conv._replace(stride=(1, 1)))


@backward("grad_weight")
def weight_gradient_undilated(d):
    return weight_gradient(d, d.x, d.conv._replace(dilation=(1, 1)))


@backward("grad_weight")
def weight_gradient_unpadded(d):
    return weight_gradient(d, d.x, d.conv._replace(pad=(0, 0, 0, 0)))


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
    """By a wrong geometry: what it gives beyond the map is dropped."""
    conv, size = d.conv._replace(**wrong), d.g.shape[2:]
    left, _, top, _ = conv.pad
    reach = [(k - 1) * e + (n - 1) * s + 1 for k, e, n, s in zip(d.kernel, conv.dilation, size, conv.stride)]
    h, w = (max(n + p, r) for n, p, r in zip(d.x.shape[2:], (top, left), reach))
    x = np.zeros((*d.x.shape[:2], h, w), np.float32)
    whole = np_conv_back(x, d.weight, conv._replace(pad=(0, 0, 0, 0)), d.g)[0]
    return whole[..., top:top + d.x.shape[2], left:left + d.x.shape[3]]


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
