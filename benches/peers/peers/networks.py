"""The networks: torchvision's, with drawn weights, and the logits that they must give."""

import pathlib

import numpy as np

from .graph import Graph

NAMES = ("resnet50", "resnext50_32x4d")
# A logit may be off by this fraction of the largest one. The limit is chosen, not derived: a bound derived
# for a whole network is far larger than the logits themselves. Rounding alone takes about 1e-6, bf16 about 1e-2.
LIMIT = 1e-5


class Network:
    """A job: one network on one drawn image, written into a folder for all contenders."""

    kind = "network"
    map = "224x224"

    def __init__(self, name, folder, seed=0):
        import torch
        import torchvision
        from safetensors.torch import save_file

        self.name, self.folder = name, pathlib.Path(folder)
        torch.manual_seed(seed)
        model = getattr(torchvision.models, name)(weights=None).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                n = module.num_features
                module.weight.data = 0.5 + torch.rand(n)
                module.bias.data = 0.3 * torch.randn(n)
                module.running_mean = 0.3 * torch.randn(n)
                module.running_var = 0.5 + torch.rand(n)
        x = torch.randn(1, 3, 224, 224)
        np.save(self.folder / "x.npy", x.numpy())
        save_file(model.state_dict(), self.folder / "state_dict.safetensors")
        (self.folder / "name.txt").write_text(name)
        graph = graph_of(model.double())
        graph.write_json(self.folder / "whole.json", {"x": "x.npy"})
        graph.write_onnx(self.folder / "whole.onnx", (1, 1000))
        weights = {key: torch.from_numpy(value) for key, value in graph.weights.items()}
        save_file(weights, self.folder / "folded.safetensors")
        self.products = 0
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(self._count)
        with torch.inference_mode():
            self.logits = model(x.double()).numpy()
        self.products += model.fc.weight.numel()

    def _count(self, module, _, y):
        self.products += y[0].numel() * module.weight[0].numel()

    def refuted(self):
        """Nothing: the limit is chosen, so no claim is made about it."""
        return {}

    def models(self):
        return ["whole"]

    def judge(self, _, found):
        """The part of the limit that is used, and the largest difference divided by the largest logit."""
        largest = np.abs(self.logits).max()
        relative = float(np.abs(found.astype(np.float64) - self.logits).max() / largest)
        # This also refuses NaN.
        return relative / LIMIT if relative < np.inf else float("inf"), relative


def graph_of(model):
    """A torchvision ResNet in f64 as a graph, its batch norms folded and then rounded to f32."""
    graph = Graph([("x", (1, 3, 224, 224))])

    def conv(x, y, conv, norm):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = (conv.weight * scale[:, None, None, None]).detach().numpy()
        bias = (norm.bias - norm.running_mean * scale).detach().numpy()
        how = {"stride": conv.stride[0], "pad": conv.padding[0], "groups": conv.groups}
        return graph.conv(x, y, weight, bias, **how)

    here = graph.relu(conv("x", "stem", model.conv1, model.bn1), "stem.relu")
    here = graph.max_pool(here, "stem.pool")
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            at = f"block{len(graph.steps)}"
            shortcut = here
            if block.downsample is not None:
                shortcut = conv(here, f"{at}.shortcut", *block.downsample)
            here = graph.relu(conv(here, f"{at}.reduce", block.conv1, block.bn1), f"{at}.relu1")
            here = graph.relu(conv(here, f"{at}.transform", block.conv2, block.bn2), f"{at}.relu2")
            here = conv(here, f"{at}.expand", block.conv3, block.bn3)
            here = graph.relu(graph.add(here, shortcut, f"{at}.sum"), f"{at}.relu3")
    here = graph.mean(here, "pooled")
    fc = model.fc
    graph.linear(here, "logits", fc.weight.detach().numpy(), fc.bias.detach().numpy())
    return graph
