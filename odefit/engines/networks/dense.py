"""A perceptron: its outputs, and what a change of them goes back to.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

With h_0 = (x - centre) / scale and, layer by layer, z_l = W_l h_(l-1) + b_l, h_l = s(z_l), the outputs are
o = output_scale * h_L. Weights lie layer by layer, W_l [n_l, n_(l-1)] by rows and b_l behind it, as torch has them; for
the outputs each W_l is transposed, so that both ways are sums of rows, which go in vectors.

What is kept of an evaluation is h_0, then z_l, s'(z_l) and h_l of each layer.

A network's description d: the number of layers L, the activation of hidden layers and of the last, where its weights
begin, where its inputs, outputs, units and kept numbers begin, whether its inputs depend on outputs of others, and the
sizes n_0, ..., n_L. Units: centre and scale of the inputs, scale of the outputs.
"""

from __future__ import annotations

from math import erf, exp, log1p, tanh

from odefit.arrays import FloatArray, IntArray

LINEAR = 0
LEAKY_RELU = 1
RELU = 2
TANH = 3
SIGMOID = 4
ELU = 5
GELU = 6
SILU = 7
SOFTPLUS = 8
# Slopes that stay as they are within a step (kinks.py); below 0 they are yet to be chosen.
HELD_LEAKY_RELU = 9
HELD_RELU = 10

LEAK = 0.01
SQRT_HALF = 0.7071067811865476
GAUSSIAN = 0.3989422804014327
# Above, softplus is its argument, as in torch.
STEEP = 20.0
# Behind this many numbers of a description come the sizes.
SIZES = 9


def logistic(z: float) -> float:
    """1 / (1 + exp(-z)), of the exponential that does not overflow."""
    if z < 0.0:
        e = exp(z)
        return e / (1.0 + e)
    return 1.0 / (1.0 + exp(-z))


def activate(kind: int, n: int, z: FloatArray, h: FloatArray) -> None:
    """h = s(z), [n] each."""
    if kind == LINEAR:
        h[:n] = z[:n]
    elif kind >= HELD_LEAKY_RELU:
        hold(kind, n, z, z[n:])
        for i in range(n):
            h[i] = z[n + i] * z[i]
    elif kind == TANH:
        for i in range(n):
            h[i] = tanh(z[i])
    elif kind == GELU:
        for i in range(n):
            h[i] = 0.5 * z[i] * (1.0 + erf(z[i] * SQRT_HALF))
    elif kind == SIGMOID:
        for i in range(n):
            h[i] = logistic(z[i])
    elif kind == SILU:
        for i in range(n):
            h[i] = z[i] * logistic(z[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            if z[i] > STEEP:
                h[i] = z[i]
            else:
                h[i] = log1p(exp(z[i]))
    else:
        for i in range(n):
            h[i] = z[i]
            if not z[i] > 0.0:
                if kind == ELU:
                    h[i] = exp(z[i]) - 1.0
                elif kind == RELU:
                    h[i] = 0.0 * z[i]
                else:
                    h[i] = LEAK * z[i]


def hold(kind: int, n: int, z: FloatArray, s: FloatArray) -> None:
    """Choose those slopes s [n] that are below 0."""
    for i in range(n):
        if s[i] < 0.0:
            s[i] = 1.0
            if not z[i] > 0.0:
                s[i] = 0.0
                if kind == HELD_LEAKY_RELU:
                    s[i] = LEAK


def steepness(kind: int, n: int, z: FloatArray, s: FloatArray, h: FloatArray) -> None:
    """s = s'(z) where h = s(z), [n] each."""
    if kind == LINEAR:
        for i in range(n):
            s[i] = 1.0
    elif kind >= HELD_LEAKY_RELU:
        hold(kind, n, z, s)
    elif kind == TANH:
        s[:n] = 1.0 - h[:n] ** 2
    elif kind == SIGMOID:
        s[:n] = h[:n] * (1.0 - h[:n])
    elif kind == GELU:
        for i in range(n):
            below = 0.5 * (1.0 + erf(z[i] * SQRT_HALF))
            s[i] = below + z[i] * GAUSSIAN * exp(-0.5 * z[i] * z[i])
    elif kind == SILU:
        for i in range(n):
            share = logistic(z[i])
            s[i] = share * (1.0 + z[i] * (1.0 - share))
    elif kind == SOFTPLUS:
        for i in range(n):
            s[i] = logistic(z[i])
            if z[i] > STEEP:
                s[i] = 1.0
    else:
        for i in range(n):
            s[i] = 1.0
            if not z[i] > 0.0:
                if kind == ELU:
                    s[i] = h[i] + 1.0
                elif kind == RELU:
                    s[i] = 0.0
                else:
                    s[i] = LEAK


def add_rows(n: int, m: int, factors: FloatArray, rows: FloatArray, out: FloatArray) -> None:
    """out [m] += factors [n] times rows [n, m]."""
    whole = n // 4 * 4
    i = 0
    while i < whole:
        row = rows[i * m :]
        out[:m] = (
            out[:m]
            + factors[i] * row[:m]
            + factors[i + 1] * row[m : 2 * m]
            + factors[i + 2] * row[2 * m : 3 * m]
            + factors[i + 3] * row[3 * m : 4 * m]
        )
        i += 4
    while i < n:
        out[:m] = out[:m] + factors[i] * rows[i * m : i * m + m]
        i += 1


def apply(d: IntArray, units: FloatArray, turned: FloatArray, x: FloatArray, o: FloatArray, kept: FloatArray) -> None:
    """The outputs o of a network at x. turned: all weights, each matrix transposed."""
    layers = d[0]
    n = d[SIZES]
    h = kept[:]
    h[:n] = (x[:n] - units[:n]) / units[n : 2 * n]
    output_scale = units[2 * n :]
    w = turned[d[3] :]
    for k in range(layers):
        m = d[SIZES + 1 + k]
        z = h[n:]
        bias = w[n * m :]
        z[:m] = bias[:m]
        add_rows(n, m, h, w, z)
        kind = d[1]
        if k == layers - 1:
            kind = d[2]
        h = z[2 * m :]
        activate(kind, m, z, h)
        w = w[n * m + m :]
        n = m
    o[:n] = h[:n] * output_scale[:n]


def steepen(d: IntArray, kept: FloatArray) -> None:
    """Compute s'(z_l) of all layers, once for any number of ways back."""
    layers = d[0]
    z = kept[d[SIZES] :]
    for k in range(layers):
        m = d[SIZES + 1 + k]
        kind = d[1]
        if k == layers - 1:
            kind = d[2]
        steepness(kind, m, z, z[m:], z[2 * m :])
        z = z[3 * m :]


def go_back(
    d: IntArray,
    units: FloatArray,
    weights: FloatArray,
    kept: FloatArray,
    o: FloatArray,
    x: FloatArray,
    w: FloatArray,
    room: FloatArray,
) -> None:
    """What a change of the outputs, o, is for the inputs: x; and add to w [W] what it is for the weights.

    room: twice the widest layer.
    """
    layers = d[0]
    inputs = d[SIZES]
    widest = inputs
    size = 0
    end = inputs
    for k in range(layers):
        m = d[SIZES + 1 + k]
        if m > widest:
            widest = m
        size += m * (d[SIZES + k] + 1)
        end += 3 * m
    delta = room[:]
    below = room[widest:]
    m = d[SIZES + layers]
    output_scale = units[2 * inputs :]
    delta[:m] = o[:m] * output_scale[:m]
    at = d[3] + size
    for k in range(layers):
        m = d[SIZES + layers - k]
        n = d[SIZES + layers - k - 1]
        end -= 3 * m
        at -= m * (n + 1)
        slope = kept[end + m :]
        h = kept[end - n :]
        delta[:m] = delta[:m] * slope[:m]
        for j in range(m):
            own = w[at + j * n :]
            own[:n] = own[:n] + delta[j] * h[:n]
        bias = w[at + n * m :]
        bias[:m] = bias[:m] + delta[:m]
        for j in range(n):
            below[j] = 0.0
        add_rows(m, n, delta, weights[at:], below)
        other = delta[:]
        delta = below[:]
        below = other[:]
    x[:inputs] = delta[:inputs] / units[inputs : 2 * inputs]
