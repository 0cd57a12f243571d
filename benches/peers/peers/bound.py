"""The reference in f64, and how far rounding in f32 can take a layer from it.

Each value has a centre c and a radius e, both in f64: the value itself, and how far a computation in f32
may be off. Each output of a layer is one sum. Its terms are n products of weight and input, each times the
scale s of the batch norm; the norm's shift, which is -s mu and beta; and, in the last layer, the shortcut r.
An engine may fold the scale into the weights or multiply by it after the sum, may add in any order, and may
fuse a product with a sum. Whichever it does, each term is rounded at most n + 8 times: 3 for the scale
(a sum, a root, a quotient; the sum's counts half), 1 to fold it or apply it, 1 for the product, n - 1 to
add the products up, 3 for mean times scale, shift and shortcut, and 1 to spare. So (Higham, Accuracy and
Stability of Numerical Algorithms, 2nd ed., lemma 3.1), with u = 2^-24 and gamma_m = m u / (1 - m u), the
error is at most gamma_(n+8) times the sum of the terms' absolute values, plus what underflow may add.

This is rung R1, in one formula for scales that are folded and for scales that are not. Winograd convolution,
bf16 and TF32 round differently; where their errors are larger than rounding explains, the bound is exceeded.
"""

import numpy as np

U = 2.0**-24
ETA = 2.0**-149
# For the roundings of the f64 centre itself.
SPARE = 1 + 2.0**-20


def conv(x, weight, groups, pad):
    """N = 1, stride 1: C_in x H x W and C_out x C_in/groups x k x k to C_out x H x W, in f64."""
    c_in, h, w = x.shape
    c_out, _, k, _ = weight.shape
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad))).reshape(groups, c_in // groups, h + 2 * pad, -1)
    weight = weight.reshape(groups, c_out // groups, c_in // groups, k, k)
    total = np.zeros((groups, c_out // groups, h * w))
    for row in range(k):
        for column in range(k):
            window = padded[:, :, row : row + h, column : column + w]
            total += weight[..., row, column] @ window.reshape(groups, c_in // groups, h * w)
    return total.reshape(c_out, h, w)


class Layer:
    """A convolution, its batch norm, perhaps a shortcut, and a ReLU."""

    def __init__(self, weight, norm, groups=1, pad=0):
        self.weight, self.groups, self.pad = weight.astype(np.float64), groups, pad
        gamma, beta, mean, variance = (part.astype(np.float64)[:, None, None] for part in norm)
        self.scale, self.mean, self.beta = gamma / np.sqrt(variance + 1e-5), mean, beta

    def folded(self):
        """Weights and bias with the batch norm in them, rounded once to f32."""
        weight = self.weight * self.scale[..., None]
        bias = (self.beta - self.mean * self.scale).ravel()
        return weight.astype(np.float32), bias.astype(np.float32)

    def bounded(self, c, e, shortcut=None):
        """Centre and radius of the output; `shortcut` is also a centre and a radius."""
        n = self.weight[0].size
        gamma = (n + 8) * U / (1 - (n + 8) * U) * SPARE
        scale = np.abs(self.scale)
        z = conv(c, self.weight, self.groups, self.pad)
        y = self.scale * (z - self.mean) + self.beta
        absolute = np.abs(self.weight)
        moved = conv(e, absolute, self.groups, self.pad) if np.any(e) else np.zeros_like(z)
        terms = scale * (conv(np.abs(c), absolute, self.groups, self.pad) + moved + np.abs(self.mean))
        terms += np.abs(self.beta)
        radius = scale * moved
        if shortcut is not None:
            r, er = shortcut
            y, terms, radius = y + r, terms + np.abs(r) + er, radius + er
        radius = (radius + gamma * terms + (n + 8) * ETA * (1 + scale)) * SPARE
        return np.maximum(y, 0), np.where(y > 0, radius, np.maximum(0, y + radius))


def used(found, centre, radius):
    """The largest part of the bound that any value uses. Above 1, rounding alone does not explain the error."""
    off = np.abs(found.astype(np.float64) - centre)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(off == 0, 0, off / radius)
    return float(part.max()) if np.isfinite(found).all() else float("inf")


def relative(found, centre):
    """The largest difference, divided by the largest value."""
    return float(np.abs(found.astype(np.float64) - centre).max() / np.abs(centre).max())


def with_bits(x, bits):
    """Rounded to `bits` bits after the leading one: 7 for bf16, 10 for TF32."""
    significand, exponent = np.frexp(x)
    return np.ldexp(np.round(significand * 2.0 ** (bits + 1)) / 2.0 ** (bits + 1), exponent)
