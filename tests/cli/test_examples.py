"""The examples run and learn; a short version of each."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from odefit.errors import DataError
from scripts import script


@pytest.fixture(scope="module")
def digits() -> Iterator[ModuleType]:
    with script("examples/digits.py") as module:
        yield module


def idx(array: np.ndarray) -> bytes:
    """The IDX format: type (8: bytes) and number of dimensions, their sizes high byte first, the numbers."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, packed: bool = False, n: int = 6, size: int = 28) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    written = {}
    for name in ("train", "t10k"):
        written[f"{name}-images-idx3-ubyte"] = rng.integers(0, 256, (n, size, size))
        written[f"{name}-labels-idx1-ubyte"] = rng.integers(0, 10, n)
    for name, array in written.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return written


def test_three_epochs_on_a_part_of_the_digits_are_far_better_than_chance(digits: ModuleType) -> None:
    pytest.importorskip("sklearn")
    data = digits.sklearn_digits(seed=0)
    part = digits.Digits(data.images[:400], data.labels[:400], data.test_images, data.test_labels)
    network = digits.build("ode", 8, 8, 0, "rk4", adjoint=False)
    before = digits.accuracy(network, part.test_images, part.test_labels)
    digits.train(network, part, epochs=3, seed=0, quiet=True)
    after = digits.accuracy(network, part.test_images, part.test_labels)
    assert before < 0.3
    assert after > 0.4  # chance is 0.1


def test_the_split_holds_out_a_fifth_of_every_digit(digits: ModuleType) -> None:
    pytest.importorskip("sklearn")
    data = digits.sklearn_digits(seed=0)
    assert len(data.labels) + len(data.test_labels) == 1797
    for digit in range(10):
        held, kept = (int((labels == digit).sum()) for labels in (data.test_labels, data.labels))
        assert held / (held + kept) == pytest.approx(0.2, abs=0.005)
    again, other = digits.sklearn_digits(seed=0), digits.sklearn_digits(seed=1)
    assert torch.equal(data.test_images, again.test_images)
    assert not torch.equal(data.test_labels, other.test_labels)
    learnt = {tuple(image.flatten().tolist()) for image in data.images}
    assert not any(tuple(image.flatten().tolist()) in learnt for image in data.test_images)
    assert data.images.shape[1:] == (1, 8, 8)
    assert (float(data.images.min()), float(data.images.max())) == (0, 1)


@pytest.mark.parametrize("size", [8, 28])
def test_both_networks_have_the_same_parameters(digits: ModuleType, size: int) -> None:
    found = [digits.build(kind, 8, size, 3, "dopri5", adjoint=True) for kind in ("ode", "residual")]
    one, other = ([(tuple(q.shape), q.detach().flatten().tolist()) for q in network.parameters()] for network in found)
    assert one == other
    images = torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(0))
    for network in found:
        assert network(images).shape == (2, 10)
    # The residual block is one step of Euler's method.
    euler = digits.build("ode", 8, size, 3, "euler", adjoint=False)
    torch.testing.assert_close(euler(images), found[1](images))


def test_images_are_moved_by_a_pixel_at_most(digits: ModuleType) -> None:
    images = torch.zeros(200, 1, 5, 5)
    images[:, 0, 2, 3] = 1
    moved = digits.moved(images, torch.Generator().manual_seed(0))
    places = {tuple(place) for place in moved[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in (1, 2, 3) for column in (2, 3, 4)}
    assert float(moved.sum()) == 200


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_mnist_is_read_as_it_was_written(digits: ModuleType, tmp_path: Path, packed: bool) -> None:
    written = write_mnist(tmp_path, packed)
    found = digits.mnist(tmp_path)
    images = found.images.squeeze(1).mul(255).round().int().numpy()
    np.testing.assert_array_equal(images, written["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(found.labels.numpy(), written["train-labels-idx1-ubyte"])
    np.testing.assert_array_equal(found.test_labels.numpy(), written["t10k-labels-idx1-ubyte"])
    assert found.test_images.shape == (6, 1, 28, 28)


def test_names_with_a_dot_are_found(digits: ModuleType, tmp_path: Path) -> None:
    for name in write_mnist(tmp_path):
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    assert len(digits.mnist(tmp_path).labels) == 6


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
DAMAGED = {
    "missing": (IMAGES, None, "has no file train-images-idx3-ubyte"),
    "empty": (LABELS, b"", "is no IDX file"),
    "text": (LABELS, b"label\n5\n0\n4\n", "is no IDX file"),
    "images for labels": (LABELS, idx(np.zeros((6, 28, 28))), "is no IDX file of bytes in 1 dim"),
    "cut short": (IMAGES, idx(np.zeros((6, 28, 28)))[:-5], "should hold 4704 numbers, and holds 4699"),
    "too long": (LABELS, idx(np.zeros(6)) + b"\0", "should hold 6 numbers, and holds 7"),
    "fewer labels": (LABELS, idx(np.zeros(5)), "has 5 labels for the 6 images"),
    "no digit": (LABELS, idx(np.array([1, 2, 3, 4, 5, 10])), "has the label 10"),
    "not square": (IMAGES, idx(np.zeros((6, 28, 14))), "28 x 14 pixels"),
    "another size": (IMAGES, idx(np.zeros((6, 14, 14))), "differ in size"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_told_by_name(digits: ModuleType, tmp_path: Path, case: str) -> None:
    name, content, words = DAMAGED[case]
    write_mnist(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        digits.mnist(tmp_path)


def test_a_damaged_archive_is_told_by_name(digits: ModuleType, tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=True)
    path = tmp_path / f"{IMAGES}.gz"
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no archive", whole[:40] + b"\xff" * 40 + whole[80:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"idx3-ubyte\.gz: cannot be read"):
            digits.mnist(tmp_path)


def test_the_command(digits: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mnist(tmp_path)
    given = ["--mnist", str(tmp_path), "--epochs", "1", "--channels", "4", "--method", "euler"]
    assert digits.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "6 images to learn from, 6 held out, 1 epochs"
    assert [line.split()[0] for line in lines if "held-out" in line] == ["ode", "residual"]
    assert digits.main(["--mnist", str(tmp_path / "nowhere")]) == 2
    assert "error: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        digits.main(["--channels", "6"])
    with pytest.raises(SystemExit):
        digits.main([*given[:-1], "rk5"])
    assert "did you mean 'rk4'?" in capsys.readouterr().err
