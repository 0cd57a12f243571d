"""Writes the golden values that tests/lesson/golden.rs compares with: PyTorch's own
convolutions, and torchvision's own Bottleneck, both in float64.

    python -m pip install torch torchvision numpy
    python tests/golden/make.py

Everything is drawn from one seed. The files are small on purpose; they are
committed, so that the tests need no Python. Versions they were made with are
in versions.txt, beside them.
"""

from pathlib import Path

import numpy
import torch
import torchvision
from torch.nn.functional import conv2d, max_pool2d
from torchvision.models.resnet import Bottleneck

HERE = Path(__file__).parent

# name: (N, C_in, H, W), (C_out, k_h, k_w), stride, padding, dilation, groups
CONVOLUTIONS = {
    "dense_3x3": ((2, 3, 6, 5), (4, 3, 3), 1, 1, 1, 1),
    "grouped": ((2, 6, 5, 7), (9, 3, 3), 1, 1, 1, 3),
    "grouped_stride_2": ((1, 8, 7, 6), (8, 3, 3), 2, 1, 1, 4),
    "depthwise": ((2, 5, 6, 4), (5, 3, 3), 1, 1, 1, 5),
    "dilated": ((1, 4, 9, 8), (6, 3, 3), 1, 2, 2, 2),
    "stem_7x7": ((1, 3, 15, 13), (4, 7, 7), 2, 3, 1, 1),
    "pointwise_stride_2": ((2, 5, 5, 6), (3, 1, 1), 2, 0, 1, 1),
    "rectangular_kernel": ((1, 4, 6, 7), (4, 2, 3), 1, 1, 1, 2),
    "no_padding_stride_3": ((1, 4, 8, 11), (2, 3, 3), 3, 0, 1, 2),
}

# name: C_in, planes, groups, width per group, stride, projection, N, H, W
# planes: a quarter of the output channels; d = planes * width_per_group / 64
BLOCKS = {
    "bottleneck_identity": (32, 8, 4, 24, 1, False, 2, 5, 6),
    "bottleneck_projection": (12, 8, 4, 24, 1, True, 2, 5, 4),
    "bottleneck_stride_2": (16, 8, 3, 16, 2, True, 2, 7, 6),
    "bottleneck_resnet": (16, 4, 1, 64, 1, False, 1, 6, 5),
    "bottleneck_depthwise": (16, 4, 6, 16, 2, True, 1, 5, 5),
}


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64)


SAVED = {}


def save(name, **arrays):
    SAVED.update({f"{name}/{key}": numpy.asarray(value) for key, value in arrays.items()})


def convolutions():
    for name, (x_shape, (c_out, k_h, k_w), stride, padding, dilation, groups) in CONVOLUTIONS.items():
        x = numbers(*x_shape)
        weight = numbers(c_out, x_shape[1] // groups, k_h, k_w)
        y = conv2d(x, weight, None, stride, padding, dilation, groups)
        save(f"conv_{name}", x=x, weight=weight, y=y, spec=[stride, padding, dilation, groups])
    x = numbers(2, 3, 7, 6)
    save("max_pool", x=x, y=max_pool2d(x, 3, 2, 1), spec=[2, 1, 1, 1])


def bottleneck(c_in, planes, groups, base_width, stride, projection):
    """torchvision's, with nothing at its initial value and gamma of both signs."""
    downsample = None
    if projection:
        downsample = torch.nn.Sequential(
            torch.nn.Conv2d(c_in, 4 * planes, 1, stride, bias=False),
            torch.nn.BatchNorm2d(4 * planes),
        )
    block = Bottleneck(c_in, planes, stride, downsample, groups, base_width).double().eval()
    for module in block.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return block


def state(block):
    return {k: v.clone() for k, v in block.state_dict().items() if "num_batches" not in k}


def blocks():
    for name, (c_in, planes, groups, base_width, stride, projection, n, h, w) in BLOCKS.items():
        block = bottleneck(c_in, planes, groups, base_width, stride, projection)
        x = numbers(n, c_in, h, w)
        with torch.inference_mode():
            y = block(x)
        assert ((y > 0).double().mean() > 0.2) and ((y == 0).double().mean() > 0.2), name
        width = block.conv2.in_channels // groups
        spec = [c_in, groups, width, 4 * planes, stride, int(projection)]
        save(name, x=x, y=y, spec=spec, epsilon=[block.bn1.eps], **state(block))


def training():
    """The same in training mode, on one batch; the running statistics before and after."""
    name = "bottleneck_projection"
    c_in, planes, groups, base_width, stride, projection, n, h, w = BLOCKS[name]
    block = bottleneck(c_in, planes, groups, base_width, stride, projection).train()
    before = state(block)
    x = numbers(n, c_in, h, w)
    with torch.no_grad():
        y = block(x)
    after = {f"after.{k}": v for k, v in state(block).items() if "running" in k}
    width = block.conv2.in_channels // groups
    spec = [c_in, groups, width, 4 * planes, stride, int(projection)]
    bn = block.bn1
    save("training", x=x, y=y, spec=spec, epsilon=[bn.eps], momentum=[bn.momentum], **before, **after)


if __name__ == "__main__":
    torch.manual_seed(20161116)
    convolutions()
    blocks()
    training()
    numpy.savez(HERE / "torch.npz", **SAVED)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, numpy {numpy.__version__}\n"
    (HERE / "versions.txt").write_text(versions)
