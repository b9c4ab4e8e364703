"""Writes what torchvision computes from random:7 weights, for the tests of this module to compare with.

usage: python3 golden.py FOLDER [NET...]     FOLDER: src/test/resources/dev/shortcut/resnet/golden

Made with torch 1.13 and torchvision 0.14 (Debian's python3-torch and python3-torchvision). For every network and two image sizes
the logits of three images, NET-SIZE.f32: little endian floats, image after image. For resnet50 at 17x17 what each node up to the
end of layer1.0 computes of the first image, resnet50-17-NODE.f32. Networks that torchvision has not are torchvision's with
the difference made below, or written down as in the paper.

Everything is computed in double from the float weights, so that what is stored is torchvision's arithmetic without its
rounding; how far torchvision in float is from that is printed, as max|a-b| / max|b|.
"""

import hashlib
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import resnet

from random_weights import fill, images

SEED, IMAGES = 7, 3


class Subsample(nn.Module):
    """Shortcut option A: every second pixel, half of the new channels, all zero, on either side."""

    def __init__(self, stride, new_channels):
        super().__init__()
        self.stride, self.pad = stride, new_channels // 2

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))


def units(net):
    return [m for m in net.modules() if isinstance(m, (resnet.BasicBlock, resnet.Bottleneck))]


def last_norms(net):
    return [u.bn3 if isinstance(u, resnet.Bottleneck) else u.bn2 for u in units(net)]


def version1(net):
    """The paper's: a stage's stride is in its first 1x1 convolution."""
    for unit in units(net):
        unit.conv1.stride, unit.conv2.stride = unit.conv2.stride, unit.conv1.stride
    return net


def option_a(net):
    for unit in units(net):
        if unit.downsample is not None:
            conv = unit.downsample[0]
            unit.downsample = Subsample(unit.stride, conv.out_channels - conv.in_channels)
    return net


def option_c(net):
    for unit in units(net):
        if unit.downsample is None:
            channels = unit.conv1.in_channels
            unit.downsample = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
    return net


def plain(net):
    class PlainUnit(nn.Module):
        def __init__(self, unit):
            super().__init__()
            self.conv1, self.bn1, self.conv2, self.bn2 = unit.conv1, unit.bn1, unit.conv2, unit.bn2

        def forward(self, x):
            return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for i, unit in enumerate(stage):
            stage[i] = PlainUnit(unit)
    return net


class CifarResNet(nn.Module):
    """The paper's 6n+2 layers for 32x32 pictures, section 4.2, of torchvision's basic units."""

    def __init__(self, n):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, width in enumerate((16, 32, 64), 1):
            blocks = []
            for i in range(n):
                stride = 2 if stage > 1 and i == 0 else 1
                shortcut = Subsample(stride, width - channels) if stride != 1 else None
                blocks.append(resnet.BasicBlock(channels, width, stride, shortcut))
                channels = width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


IMAGENET, CIFAR = (224, 97), (32, 45)
NETS = {
    "resnet18": (resnet.resnet18, IMAGENET),
    "resnet34": (resnet.resnet34, IMAGENET),
    "resnet50": (resnet.resnet50, IMAGENET),
    "resnet101": (resnet.resnet101, IMAGENET),
    "resnet152": (resnet.resnet152, IMAGENET),
    "wide_resnet50_2": (resnet.wide_resnet50_2, IMAGENET),
    "vgg16": (torchvision.models.vgg16, IMAGENET),
    "resnet50-v1": (lambda: version1(resnet.resnet50()), IMAGENET),
    "resnet18-A": (lambda: option_a(resnet.resnet18()), IMAGENET),
    "resnet18-C": (lambda: option_c(resnet.resnet18()), IMAGENET),
    "plain18": (lambda: plain(resnet.resnet18()), IMAGENET),
    "resnet20": (lambda: CifarResNet(3), CIFAR),
    "resnet56": (lambda: CifarResNet(9), CIFAR),
}


def write(path, tensor):
    path.write_bytes(tensor.detach().contiguous().numpy().astype("<f4").tobytes())


def logits(name, folder):
    build, sizes = NETS[name]
    net = build()
    fill(net, SEED, last_norms(net))
    for size in sizes:
        x = images(SEED, IMAGES, size, size)
        largest = []
        hooks = [m.register_forward_hook(lambda m, i, o: largest.append(o.abs().max().item())) for m in net.modules()]
        with torch.no_grad():
            in_float = net.float()(x)
            in_double = net.double()(x.double())
        for hook in hooks:
            hook.remove()
        write(folder / f"{name}-{size}.f32", in_double)
        off = ((in_float - in_double).abs().max() / in_double.abs().max()).item()
        print(f"{name} at {size}x{size}: torchvision in float is {off:.1e} off, activations up to {max(largest):.1f}", flush=True)


def one_block(folder):
    """What each node of the first residual unit of resnet50 computes, and what is before it."""
    net = resnet.resnet50()
    fill(net, SEED, last_norms(net)).double()
    x = images(SEED, 1, 17, 17).double()
    unit, steps = net.layer1[0], {}

    def step(name, value):
        steps[name] = value
        return value

    with torch.no_grad():
        y = step("conv1", net.conv1(x))
        y = step("bn1", net.bn1(y))
        y = step("relu", F.relu(y))
        entry = step("maxpool", net.maxpool(y))
        y = step("layer1.0.conv1", unit.conv1(entry))
        y = step("layer1.0.bn1", unit.bn1(y))
        y = step("layer1.0.relu", F.relu(y))
        y = step("layer1.0.conv2", unit.conv2(y))
        y = step("layer1.0.bn2", unit.bn2(y))
        y = step("layer1.0.relu_1", F.relu(y))
        y = step("layer1.0.conv3", unit.conv3(y))
        y = step("layer1.0.bn3", unit.bn3(y))
        s = step("layer1.0.downsample.0", unit.downsample[0](entry))
        s = step("layer1.0.downsample.1", unit.downsample[1](s))
        y = step("layer1.0.add", y + s)
        y = step("layer1.0.relu_2", F.relu(y))
        assert torch.equal(y, unit(entry))
    for name, value in steps.items():
        write(folder / f"resnet50-17-{name}.f32", value)


def checksums(folder):
    """SHA-256 of tensors, so that a test of random weights needs no network to be run."""
    lines = []
    for seed in (SEED, -1):
        for name in ("resnet50", "resnet18-A", "vgg16", "resnet20"):
            net = NETS[name][0]()
            state = fill(net, seed, last_norms(net)).state_dict()
            kept = [key for key in state if not key.endswith("num_batches_tracked")]
            for key in dict.fromkeys([*kept[:6], *kept[len(kept) // 2 :][:6], *kept[-2:]]):
                lines.append(f"{name} {seed} {key} {hashlib.sha256(state[key].numpy().astype('<f4').tobytes()).hexdigest()}")
    (folder / "random-weights.txt").write_text("\n".join(lines) + "\n")


def extremes():
    """No node of any network, however deep, leaves what half precision holds, with room to spare."""
    nets = {name: build for name, (build, _) in NETS.items()}
    nets["resnet110"] = lambda: CifarResNet(18)
    nets["resnet1202"] = lambda: CifarResNet(200)
    nets["plain34"] = lambda: plain(resnet.resnet34())
    for name, build in nets.items():
        net, worst = build(), 0.0

        def hook(module, inputs, output):
            nonlocal worst
            worst = max(worst, output.abs().max().item())

        for module in net.modules():
            module.register_forward_hook(hook)
        for seed in range(1, 4):
            with torch.no_grad():
                fill(net, seed, last_norms(net))(images(seed, 1, 33, 33))
        print(f"{name}: activations up to {worst:.1f} for three seeds", flush=True)
        assert worst < 1e3


def main():
    folder, names = Path(sys.argv[1]), sys.argv[2:] or list(NETS)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    for name in names:
        logits(name, folder)
    if "resnet50" in names:
        one_block(folder)
    if not sys.argv[2:]:
        checksums(folder)
        extremes()
    print(f"{sum(f.stat().st_size for f in folder.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
