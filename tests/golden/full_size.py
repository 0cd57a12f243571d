"""Compares triform with torchvision at full size: all ten ResNets, each block in each form.

    python -m pip install torch torchvision safetensors numpy pillow
    cargo build --release
    python tests/golden/full_size.py [NAME ...]

Weights are torchvision's initial ones, batch norms drawn (nothing is as a fresh batch norm has it), the
input is drawn too. torchvision computes in f64, triform in f32; the largest difference of two logits,
over the largest logit, must stay within 1e-5. Of resnext50_32x4d besides:

- features and logits of 3 x 3 x 160 x 192;
- one network in .safetensors, .npz, and .pth of both formats: the same logits, byte for byte;
- a file that `triform init` wrote: loaded strictly, and the same logits for a photograph.

Nothing here is needed by the tests; they have a small network of each kind, made by networks.py.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.transforms._presets import ImageClassification

ROOT = pathlib.Path(__file__).parents[2]
TRIFORM = ROOT / "target/release/triform"
NAMES = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d "
    "resnext101_64x4d wide_resnet50_2 wide_resnet101_2"
).split()
LIMIT = 1e-5
failed = False


def drawn(name, generator):
    """A network whose batch norms are all drawn."""
    torch.manual_seed(3)
    model = getattr(torchvision.models, name)(weights=None).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            n = module.num_features
            module.weight.data = 0.5 + torch.rand(n, generator=generator)
            module.bias.data = 0.3 * torch.randn(n, generator=generator)
            module.running_mean = 0.3 * torch.randn(n, generator=generator)
            module.running_var = 0.5 + torch.rand(n, generator=generator)
    return model


def exact(model, x):
    with torch.no_grad():
        return model.double()(x.double()).numpy()


def triform(folder, name, weights, *options):
    """What `triform forward` writes."""
    output = folder / "y.npy"
    command = [TRIFORM, "forward", "--arch", name, "--weights", weights, "--output", output]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return np.load(output)


def compare(what, found, expected):
    global failed
    assert found.shape == expected.shape, (found.shape, expected.shape)
    relative = np.abs(found - expected).max() / np.abs(expected).max()
    failed |= not relative <= LIMIT
    print(f"{what:<44} {relative:.1e}{'' if relative <= LIMIT else '  TOO FAR'}", flush=True)


def all_forms(folder, name):
    generator = torch.Generator().manual_seed(5)
    model = drawn(name, generator)
    weights, x = folder / "w.safetensors", torch.randn(1, 3, 224, 224, generator=generator)
    save_file(model.state_dict(), weights)
    np.save(folder / "x.npy", x.numpy())
    y = exact(model, x)
    for form in "abc":
        found = triform(folder, name, weights, "--input", folder / "x.npy", "--form", form)
        compare(f"{name}, form ({form})", found, y)


def other_sizes(folder, name):
    generator = torch.Generator().manual_seed(6)
    model = drawn(name, generator)
    weights, x = folder / "w.safetensors", torch.randn(3, 3, 160, 192, generator=generator)
    save_file(model.state_dict(), weights)
    np.save(folder / "x.npy", x.numpy())
    body = torch.nn.Sequential(*list(model.children())[:-2])
    for form in "abc":
        options = ["--input", folder / "x.npy", "--form", form]
        about = f"{name}, 3 x 3 x 160 x 192, form ({form})"
        compare(about, triform(folder, name, weights, *options), exact(model, x))
        features = triform(folder, name, weights, *options, "--features")
        compare(f"  its features, {features.shape}", features, exact(body, x))


def file_formats(folder, name):
    global failed
    model = drawn(name, torch.Generator().manual_seed(7))
    state = model.state_dict()
    save_file(state, folder / "w.safetensors")
    np.savez(folder / "w.npz", **{key: value.numpy() for key, value in state.items()})
    torch.save(state, folder / "new.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    files = ["w.safetensors", "w.npz", "new.pth", "old.pth"]
    outputs = {triform(folder, name, folder / file).tobytes() for file in files}
    failed |= len(outputs) != 1
    print(f"{name} in {len(files)} files: {len(outputs)} different outputs")


def fresh(folder, name):
    weights, photo = folder / "init.safetensors", ROOT / "assets/chelsea.png"
    command = [TRIFORM, "init", name, "--seed", "1", "--output", weights]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    model = getattr(torchvision.models, name)(weights=None).eval()
    model.load_state_dict(load_file(weights), strict=True)
    x = ImageClassification(crop_size=224)(Image.open(photo).convert("RGB"))[None]
    found = triform(folder, name, weights, "--image", photo)
    compare(f"{name}, triform init, a photograph", found, exact(model, x))


def main():
    print("torch", torch.__version__, "torchvision", torchvision.__version__)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        names = sys.argv[1:] or NAMES
        for name in names:
            all_forms(folder, name)
        if "resnext50_32x4d" in names:
            for check in (other_sizes, file_formats, fresh):
                check(folder, "resnext50_32x4d")
    sys.exit(failed)


main()
