"""Writes the names and extents that torchvision gives to the tensors and the layers of its networks.

usage: torchvision_names.py > ../resources/dev/shortcut/resnet/torchvision-names.txt
Needs torchvision; the first line of the output names the version that was used (Debian's python3-torchvision 0.14).

One line for each network: its name, the number of tensors and the SHA-256 of their lines, the number of layers and the
SHA-256 of their lines. A tensor's line is its name and its extents, a layer's line its name in torchvision's feature
extraction; each ends with a newline. The lines themselves follow, indented, for a few networks, so that a difference
can be seen and not only known.
"""
import hashlib

import torchvision
from torchvision.models.feature_extraction import get_graph_node_names

NETWORKS = """resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 wide_resnet101_2 resnext50_32x4d
    resnext101_32x8d vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn""".split()
IN_FULL = {'resnet18', 'resnet50', 'vgg11_bn'}


def digest(lines):
    return hashlib.sha256(''.join(line + '\n' for line in lines).encode()).hexdigest()


print('torchvision', torchvision.__version__)
for name in NETWORKS:
    net = getattr(torchvision.models, name)().eval()
    tensors = [f'{key} {"x".join(map(str, t.shape))}' for key, t in net.state_dict().items()
               if not key.endswith('num_batches_tracked')]
    layers = get_graph_node_names(net)[1][1:]  # the first one is the input
    print(name, len(tensors), digest(tensors), len(layers), digest(layers))
    if name in IN_FULL:
        for line in tensors + layers:
            print(' ', line)
