"""Writes the checkpoints that tests/pth.rs reads, in both formats of torch.save.

    python -m pip install torch numpy
    python tests/checkpoints/make.py

Nothing is drawn: element i of a tensor is (i + first) / 8, which every kind of
float holds exactly, so that the test computes what it expects. The files are
small on purpose; they are committed, so that the tests need no Python. The
version they were made with is in versions.txt, beside them.
"""

from collections import OrderedDict
from pathlib import Path

import torch

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


def main():
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
    (HERE / "versions.txt").write_text(f"torch {torch.__version__}\n")


if __name__ == "__main__":
    main()
