"""Writes the checkpoints that the tests of this crate and tests/checkpoints.rs read.

    python -m pip install torch torchvision safetensors numpy
    python crates/checkpoint/tests/checkpoints/make.py

In all but the block nothing is drawn: element i of a tensor is (i + first) / 8,
which every kind of float holds exactly, so that the test computes what it
expects. The block is torchvision's, in every format and kind of float, beside
an input and what torchvision makes of it. The files are small on purpose; they
are committed, so that the tests need no Python. The versions they were made
with are in versions.txt, beside them.
"""

from collections import OrderedDict
from pathlib import Path

import numpy
import safetensors
import safetensors.torch
import torch
import torchvision
from torchvision.models.resnet import Bottleneck

HERE = Path(__file__).parent


def counted(shape, first, dtype=torch.float32):
    count = torch.Size(shape).numel()
    return ((torch.arange(count) + first) / 8).reshape(shape).to(dtype)


def state():
    shared = counted((10,), 60)
    state = OrderedDict()
    state["conv.weight"] = counted((2, 3, 2, 2), 0)
    state["half.weight"] = counted((3, 5), 24, torch.float16)
    state["brain.weight"] = counted((4,), 39, torch.bfloat16)
    state["bn.num_batches_tracked"] = torch.tensor(7)
    state["double.weight"] = counted((2,), 43, torch.float64)
    # (4, 3), of strides (1, 4).
    state["transposed"] = counted((3, 4), 48).t()
    state["shared.head"] = shared[:4]
    state["shared.tail"] = shared[3:].reshape(7, 1)
    # Every second row and third column.
    state["stepped"] = counted((4, 6), 100)[::2, ::3]
    state["parameter"] = torch.nn.Parameter(counted((3,), 200))
    state["scalar"] = torch.tensor(1.5)
    state["empty"] = torch.empty(0, 4)
    return state


def arrays():
    """Every kind of array that numpy writes for a network's weights, and some others."""
    counted_ = lambda shape, first, kind: counted(shape, first).numpy().astype(kind)
    return {
        "little": counted_((2, 3, 2, 2), 0, "<f4"),
        "big": counted_((2, 3), 24, ">f4"),
        "half.little": counted_((3, 5), 30, "<f2"),
        "half.big": counted_((4,), 45, ">f2"),
        "columns": numpy.asfortranarray(counted_((2, 3, 4), 49, "<f4")),
        "half.columns": numpy.asfortranarray(counted_((3, 2), 73, ">f2")),
        "scalar": counted_((), 12, "<f4"),
        "empty": counted_((0, 4), 0, "<f4"),
        "double": counted_((2,), 0, "<f8"),
        "bn.num_batches_tracked": numpy.array(7),
        "flag": numpy.array([True]),
        "name": numpy.array("resnext"),
    }


def block():
    """Three paths of width 2, stride 2, a projection; live statistics."""
    torch.manual_seed(0)
    downsample = torch.nn.Sequential(
        torch.nn.Conv2d(12, 16, 1, stride=2, bias=False), torch.nn.BatchNorm2d(16)
    )
    block = Bottleneck(12, 4, stride=2, downsample=downsample, groups=3, base_width=32)
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.5, 1.5)
                for tensor in (module.bias, module.running_mean):
                    tensor.uniform_(-0.5, 0.5)
    return block.eval()


def write_block():
    module = block()
    x = torch.randn(2, 12, 5, 6)
    with torch.no_grad():
        numpy.savez(HERE / "output.npz", x=x.numpy(), y=module(x).numpy())
    for kind, dtype in [("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)]:
        state = module.to(dtype).state_dict()
        torch.save(state, HERE / f"block_{kind}_new.pth")
        torch.save(state, HERE / f"block_{kind}_old.pth", _use_new_zipfile_serialization=False)
        safetensors.torch.save_file(state, HERE / f"block_{kind}.safetensors")
        # numpy has no bfloat16.
        if kind != "bf16":
            state = {name: tensor.numpy() for name, tensor in state.items()}
            numpy.savez(HERE / f"block_{kind}.npz", **state)
            numpy.savez_compressed(HERE / f"block_{kind}_deflated.npz", **state)
        module = block()


def main():
    write_block()
    numpy.savez(HERE / "arrays.npz", **arrays())
    numpy.savez_compressed(HERE / "arrays_deflated.npz", **arrays())
    module = torch.nn.BatchNorm2d(3)
    with torch.no_grad():
        module.weight.copy_(counted((3,), 1))
        module.running_mean.copy_(counted((3,), 9))
    trained = {
        "epoch": 3,
        "arch": "resnext50_32x4d",
        "best": 77.5,
        # As of DataParallel, with the versions of the modules beside the tensors.
        "state_dict": torch.nn.DataParallel(module).state_dict(),
        "optimizer": {"state": {0: {"momentum_buffer": counted((2,), 0)}}, "groups": [True, None]},
    }
    files = {
        "state": state(),
        "trained": trained,
        "model": {"model": {"weight": counted((2,), 5)}, "note": ["a", (1, -1, 300, 70000, 1 << 40)]},
    }
    for name, value in files.items():
        torch.save(value, HERE / f"{name}_new.pth")
        torch.save(value, HERE / f"{name}_old.pth", _use_new_zipfile_serialization=False)
    # What torch.load with weights_only refuses, and so must the reader.
    torch.save({"weight": counted((2,), 0), "size": Path("x")}, HERE / "path_new.pth")
    modules = (torch, torchvision, safetensors, numpy)
    versions = [f"{module.__name__} {module.__version__}\n" for module in modules]
    (HERE / "versions.txt").write_text("".join(versions))


if __name__ == "__main__":
    main()
