"""Writes the golden gradients that tests/lesson/golden.rs compares with: those of
torchvision's Bottleneck in inference mode and in training mode, and ten steps of training of
a small ResNeXt, all in float64.

    python -m pip install torch torchvision numpy
    python tests/golden/gradients.py

Everything is drawn from one seed. The tests need no Python; the versions it was made with are in
versions.txt, beside it.
"""

import numpy
import torch
from make import BLOCKS, HERE, SAVED, bottleneck, numbers, save, state
from torchvision.models.resnet import Bottleneck, ResNet

# As in make.py; C and d and the stride vary.
MORE = {
    "bottleneck_wide_paths": (12, 5, 2, 96, 1, True, 3, 4, 5),
    "bottleneck_many_paths": (24, 6, 16, 12, 1, False, 2, 4, 4),
    "bottleneck_stride_2_odd": (10, 7, 5, 32, 2, True, 2, 7, 5),
}


def named(gradients, block):
    """By the names of the state dict."""
    return {f"grad.{name}": gradient.clone() for (name, _), gradient in zip(block.named_parameters(), gradients)}


def blocks():
    for name, (c_in, planes, groups, base_width, stride, projection, n, h, w) in (BLOCKS | MORE).items():
        for mode in ["inference", "training"]:
            block = bottleneck(c_in, planes, groups, base_width, stride, projection)
            block.train(mode == "training")
            before = state(block)
            x = numbers(n, c_in, h, w).requires_grad_()
            y = block(x)
            g = numbers(*y.shape)
            parameters = list(block.parameters())
            dx, *gradients = torch.autograd.grad(y, [x, *parameters], g)
            width = block.conv2.in_channels // groups
            spec = [c_in, groups, width, 4 * planes, stride, int(projection)]
            save(
                f"{name}/{mode}",
                x=x.detach(), y=y.detach(), g=g, spec=spec, epsilon=[block.bn1.eps], momentum=[block.bn1.momentum],
                **{"grad.x": dx}, **named(gradients, block), **before,
            )


def training():
    """Ten steps of SGD with momentum and weight decay; all parameters and statistics after each."""
    torch.manual_seed(20161117)
    network = torch.nn.Sequential()
    stem = torch.nn.Conv2d(1, 8, 3, 1, 1, bias=False)
    network.append(stem).append(torch.nn.BatchNorm2d(8)).append(torch.nn.ReLU())

    def block(c_in, planes, stride, groups, base_width):
        downsample = torch.nn.Sequential(
            torch.nn.Conv2d(c_in, 4 * planes, 1, stride, bias=False), torch.nn.BatchNorm2d(4 * planes)
        ) if stride > 1 or c_in != 4 * planes else None
        return Bottleneck(c_in, planes, stride, downsample, groups, base_width)

    network.append(block(8, 4, 1, 4, 32)).append(block(16, 4, 1, 4, 32)).append(block(16, 6, 2, 4, 32))
    network.append(torch.nn.AdaptiveAvgPool2d(1)).append(torch.nn.Flatten()).append(torch.nn.Linear(24, 10))
    network.double().train()
    keep = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    arrays = {f"step0.{k}": v.clone() for k, v in keep.items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    losses = []
    for step in range(1, 11):
        x, labels = numbers(6, 1, 8, 8), torch.randint(10, (6,))
        arrays |= {f"x{step}": x, f"labels{step}": labels}
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        for k, v in keep.items():
            arrays[f"step{step}.{k}"] = v.clone()
    save("steps", losses=losses, **arrays)


if __name__ == "__main__":
    SAVED.clear()
    torch.manual_seed(20161118)
    blocks()
    training()
    numpy.savez(HERE / "gradients.npz", **SAVED)
