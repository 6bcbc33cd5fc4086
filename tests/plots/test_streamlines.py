"""Lines along a field, and pictures as PNG files."""

import io

import numpy as np
from PIL import Image

from odefit.plots.png import png
from odefit.plots.streamlines import CELLS, streamlines


def test_lines_along_a_rotation_keep_their_distance_from_its_centre():
    x, y = np.linspace(-3, 3, 60), np.linspace(-1, 1, 50)
    at_x, at_y = np.meshgrid(x, y)
    lines = streamlines(x, y, -3 * at_y, at_x / 3)  # the axes are 3 to 1, so that circles are ellipses
    assert len(lines) > 5
    for line in lines:
        radius = np.hypot(line[:, 0] / 3, line[:, 1])
        assert np.ptp(radius) < 5e-3
        (a, b), (c, d) = (line[:-1] / [3, 1]).T, (line[1:] / [3, 1]).T
        assert (a * d > b * c).all()  # all turn to the left


def test_no_two_lines_run_through_one_cell_and_none_is_short():
    x = np.linspace(0, 1, 40)
    at_x, at_y = np.meshgrid(x, x)
    lines = streamlines(x, x, at_y * (1 - at_x), -np.sin(4 * at_x) * at_y)
    cells = [{tuple(cell) for cell in np.floor(line * CELLS).astype(int).tolist()} for line in lines]
    assert sum(map(len, cells)) == len(set().union(*cells))
    assert min(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in lines) > 0.09


def test_a_field_at_rest_has_no_lines():
    x = np.linspace(0, 1, 10)
    assert streamlines(x, x, np.zeros((10, 10)), np.zeros((10, 10))) == []


def test_a_png_file_holds_the_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (17, 23, 4), dtype=np.uint8)
    image = Image.open(io.BytesIO(png(pixels, 200)))
    image.verify()
    again = Image.open(io.BytesIO(png(pixels, 200)))
    assert (again.mode, round(again.info["dpi"][0])) == ("RGB", 200)
    assert (np.asarray(again) == pixels[:, :, :3]).all()
