"""Handwritten digits, classified by a network whose middle is a differential equation.

    python examples/digits.py                    # scikit-learn's 1,797 digits of 8 x 8 pixels
    python examples/digits.py --mnist FOLDER     # MNIST's four IDX files, as they come, gzipped or not

    image -> convolution -> dx/dt = f(x), t from 0 to 1 -> average over each quarter -> ten scores

f is two convolutions. The residual network beside it is the same but for x + f(x) in the middle, which is one step of
Euler's method: both have the same number of parameters, and the equation uses them several times.
"""

from __future__ import annotations

import argparse
import gzip
import math
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from odefit.errors import DataError, OdefitError
from odefit.nn import ODELayer

CLASSES = 10
BATCH = 64
UNSIGNED_BYTES = 0x08
"""The only type of numbers that MNIST's files hold."""

Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Digits:
    """Images [N, 1, H, W] from 0 to 1 and labels [N], to learn from and to test with."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor


class Dynamics(nn.Module):
    """f(x) = conv(tanh(norm(conv(relu(norm(x)))))): [B, C, H, W] -> [B, C, H, W].

    GroupNorm, since batch normalisation is no function of one sample; tanh, which keeps f bounded.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(4, channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(4, channels),
            nn.Tanh(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.f(x)
        return result


def classifier(middle: nn.Module, channels: int, size: int) -> nn.Sequential:
    """The network around the middle: images of `size` pixels are halved until they have 8 or fewer."""
    halvings = max(0, math.ceil(math.log2(size / 8)))
    layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, stride=2 if halvings else 1, padding=1)]
    for _ in range(halvings - 1):
        layers += [nn.GroupNorm(4, channels), nn.ReLU(), nn.Conv2d(channels, channels, 4, stride=2, padding=1)]
    layers += [middle, nn.GroupNorm(4, channels), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * channels, CLASSES))


def build(kind: str, channels: int, size: int, seed: int, method: str, adjoint: bool) -> nn.Sequential:
    """`ode` or `residual`, with the same initial weights for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        f = Dynamics(channels)
        middle = (
            ODELayer(f, (0, 1), method, adjoint, rtol=1e-2, atol=1e-2, autonomous=True)
            if kind == "ode"
            else Residual(f)
        )
        return classifier(middle, channels, size)


def train(network: nn.Module, digits: Digits, epochs: int, seed: int, quiet: bool = False) -> float:
    """AdamW with one cycle of the learning rate, images moved by up to a pixel. Returns seconds."""
    generator = torch.Generator().manual_seed(seed)
    batches = math.ceil(len(digits.labels) / BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=epochs * batches)
    begun = time.perf_counter()
    network.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(digits.labels), generator=generator).split(BATCH):
            loss = functional.cross_entropy(network(moved(digits.images[rows], generator)), digits.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        if not quiet and (epoch % 5 == 0 or epoch == epochs):
            seconds = time.perf_counter() - begun
            print(f"  epoch {epoch:3}/{epochs}  loss {total / len(digits.labels):.4f}  {seconds:.0f} s", flush=True)
    return time.perf_counter() - begun


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image [B, 1, H, W] shifted by -1, 0 or 1 pixels in both directions; zeros come in."""
    b, _, height, width = images.shape
    down, right = torch.randint(0, 3, (2, b, 1, 1), generator=generator)
    rows, columns = down + torch.arange(height).view(-1, 1), right + torch.arange(width)
    padded = functional.pad(images.squeeze(1), (1, 1, 1, 1))
    return padded[torch.arange(b).view(-1, 1, 1), rows, columns].unsqueeze(1)


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose highest score is their label's."""
    network.eval()
    right = 0
    for rows in torch.arange(len(labels)).split(500):
        right += int((network(images[rows]).argmax(1) == labels[rows]).sum())
    return right / len(labels)


def sklearn_digits(seed: int, test_share: float = 0.2) -> Digits:
    """The digits that come with scikit-learn; a fifth of each class is held out."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError("scikit-learn", "is not installed: pip install scikit-learn, or give --mnist FOLDER") from None
    found = load_digits()
    images = torch.from_numpy(found.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(found.target).long()
    generator = torch.Generator().manual_seed(seed)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(CLASSES):
        members = (labels == digit).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=generator)]
        test[members[: round(test_share * len(members))]] = True
    return Digits(images[~test], labels[~test], images[test], labels[test])


def mnist(folder: Path) -> Digits:
    """MNIST from its four files in a folder. Raises DataError."""
    parts = []
    for name in ("train", "t10k"):
        images, where = read_idx(folder, f"{name}-images-idx3-ubyte", 3)
        labels, labels_where = read_idx(folder, f"{name}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise DataError(
                labels_where, f"has {len(labels)} labels for the {len(images)} images of {Path(where).name}"
            )
        if not len(labels):
            raise DataError(labels_where, "is empty")
        if labels.max() >= CLASSES:
            raise DataError(labels_where, f"has the label {labels.max()}; the digits are 0 to {CLASSES - 1}")
        if images.shape[1] != images.shape[2]:
            raise DataError(where, f"its images are {images.shape[1]} x {images.shape[2]} pixels; they must be square")
        parts += [torch.from_numpy(images).float().unsqueeze(1) / 255, torch.from_numpy(labels).long()]
    if parts[0].shape[1:] != parts[2].shape[1:]:
        raise DataError(str(folder), "the images to test with differ in size from those to learn from")
    return Digits(*parts)


def read_idx(folder: Path, name: str, dimensions: int) -> tuple[Array, str]:
    """The numbers of an IDX file [...] and its path. The name may have a dot before `idx`, and end in .gz.

    The format (LeCun, Cortes and Burges, "The MNIST database of handwritten digits"): two zero bytes, the type of the
    numbers, how many dimensions there are, the size of each as 4 bytes (high byte first), then the numbers.
    Raises DataError.
    """
    names = [name, name.replace("-idx", ".idx")]
    paths = [folder / f"{n}{suffix}" for n in names for suffix in ("", ".gz")]
    path = next((p for p in paths if p.is_file()), None)
    if path is None:
        raise DataError(str(folder), f"has no file {name}, gzipped or not")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(str(path), f"cannot be read: {error}") from None
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, UNSIGNED_BYTES, dimensions)):
        raise DataError(str(path), f"is no IDX file of bytes in {dimensions} dimensions")
    shape = tuple(int(n) for n in np.frombuffer(content, dtype=">u4", count=dimensions, offset=4))
    if len(content) - header != math.prod(shape):
        raise DataError(str(path), f"should hold {math.prod(shape)} numbers, and holds {len(content) - header}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape).copy(), str(path)


def run(digits: Digits, options: argparse.Namespace) -> dict[str, float]:
    """Train both networks, print how they did, and return their accuracies."""
    n, m = len(digits.labels), len(digits.test_labels)
    print(f"{n} images to learn from, {m} held out, {options.epochs} epochs")
    found = {}
    for kind in ("ode", "residual"):
        size = digits.images.shape[-1]
        network = build(kind, options.channels, size, options.seed, options.method, options.adjoint)
        parameters = sum(q.numel() for q in network.parameters())
        seconds = train(network, digits, options.epochs, options.seed, quiet=options.quiet)
        found[kind] = accuracy(network, digits.test_images, digits.test_labels)
        wrong = round((1 - found[kind]) * m)
        line = f"{kind:<8}  {parameters} parameters  {found[kind]:.2%} of the held-out images ({wrong} wrong)"
        evaluations = [layer.evaluations for layer in network if isinstance(layer, ODELayer)]
        line += f"  f evaluated {evaluations[0] if evaluations else 1} times  {seconds:.0f} s"
        print(line, flush=True)
    return found


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Classify handwritten digits with an ODE and with a residual network.")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="the folder of MNIST's four IDX files")
    parser.add_argument("--epochs", type=int, help="default: 20, and 3 for MNIST")
    parser.add_argument("--channels", type=int, default=24, help="a multiple of 4 (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the weights and the order of the images")
    parser.add_argument("--method", default="dopri5", help="of torchdiffeq (default: dopri5)")
    parser.add_argument("--adjoint", action="store_true", help="the gradient by integrating backwards")
    parser.add_argument("--quiet", action="store_true", help="no line per epoch")
    options = parser.parse_args(given)
    if options.channels < 4 or options.channels % 4:
        parser.error("--channels: must be a multiple of 4")
    try:
        ODELayer(nn.Identity(), (0, 1), options.method, options.adjoint)
    except ValueError as error:
        parser.error(str(error))
    if options.epochs is None:
        options.epochs = 3 if options.mnist else 20
    if options.epochs < 1:
        parser.error("--epochs: must be at least 1")
    return options


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    try:
        run(mnist(options.mnist) if options.mnist else sklearn_digits(options.seed), options)
    except OdefitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
