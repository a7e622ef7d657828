"""A classifier of digits that also reconstructs them, from a few labels: in a loop of one's own.

The network comes from Wye's notation; the rest is PyTorch.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wye.network import build_network
from wye.recipe.schema import NetworkSettings

data = np.load("digits.npz")


def pixels(name: str) -> Tensor:
    """Images `(N, 1, 8, 8)` in [0, 1]."""
    return torch.from_numpy(data[name])[:, None] / 255


torch.manual_seed(0)
labelled, labels, unlabelled = pixels("x_train"), data["y_train"], pixels("x_unlabelled")
labels = torch.from_numpy(labels)
settings = NetworkSettings(
    encoder="C'(32) > C(64) > L(32)", decoder="mirror", classifier="L(64) > L'(classes)"
)
network = build_network(settings, inputs=(1, 8, 8), classes=10)
optimizer = torch.optim.Adam(network.parameters(), lr=0.003)

for _epoch in range(20):
    for batch in torch.randperm(len(labelled)).split(40):
        others = torch.randint(len(unlabelled), (40,))
        images = torch.cat([labelled[batch], unlabelled[others]])
        output = network(images, labelled=len(batch))
        loss = F.cross_entropy(output.logits, labels[batch])
        loss = loss + F.mse_loss(output.reconstruction, images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

network.eval()
with torch.inference_mode():
    images = pixels("x_test")
    output = network(images)
found = output.logits.argmax(1).numpy()
accuracy = np.mean(found == data["y_test"])
error = F.mse_loss(output.reconstruction.clamp(0, 1), images)
print(f"accuracy {accuracy:.3f}, squared error of the reconstructions {error:.4f}")
