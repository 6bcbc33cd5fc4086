"""The layers, functions and methods that the description of a network may name, and their options: the whole list.

A name that does not stand here is refused. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping

_POOLED = ("kernel_size", "stride", "padding", "ceil_mode")
_CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias")
_TRANSPOSED = (*_CONVOLUTION, "padding_mode", "output_padding")
_NORMALISED = ("num_features", "eps", "momentum", "affine", "track_running_stats", "bias")


def _in_dimensions(stem: str, options: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {f"{stem}{n}d": options for n in (1, 2, 3)}


LAYERS: Mapping[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features", "bias"),
    "Bilinear": ("in1_features", "in2_features", "out_features", "bias"),
    "Flatten": ("start_dim", "end_dim"),
    "Dropout": ("p", "inplace"),
    "AlphaDropout": ("p", "inplace"),
    **_in_dimensions("Dropout", ("p", "inplace")),
    **_in_dimensions("Conv", (*_CONVOLUTION, "padding_mode")),
    **_in_dimensions("ConvTranspose", _TRANSPOSED),
    **_in_dimensions("MaxPool", (*_POOLED, "dilation", "return_indices")),
    **_in_dimensions("AvgPool", (*_POOLED, "count_include_pad", "divisor_override")),
    **_in_dimensions("LPPool", ("norm_type", "kernel_size", "stride", "ceil_mode")),
    **_in_dimensions("AdaptiveMaxPool", ("output_size", "return_indices")),
    **_in_dimensions("AdaptiveAvgPool", ("output_size",)),
    **_in_dimensions("BatchNorm", _NORMALISED),
    **_in_dimensions("InstanceNorm", _NORMALISED),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine", "bias"),
}
"""Type of a layer -> its arguments, as torch has them."""

ACTIVATION_LAYERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ReLU", "ReLU6", "Hardswish", "Hardsigmoid", "SELU", "SiLU", "Mish"), ("inplace",)),
    **dict.fromkeys(("Tanh", "Sigmoid", "LogSigmoid", "Tanhshrink", "Softsign", "Identity"), ()),
    **dict.fromkeys(("ELU", "CELU"), ("alpha", "inplace")),
    **dict.fromkeys(("Softmax", "LogSoftmax"), ("dim",)),
    "Hardtanh": ("min_val", "max_val", "inplace"),
    "LeakyReLU": ("negative_slope", "inplace"),
    "GELU": ("approximate",),
    "Softplus": ("beta", "threshold"),
}
"""Activations that stand as layers -> their arguments."""

_PLAIN = ("relu", "relu6", "hardswish", "selu", "silu", "logsigmoid", "log_sigmoid", "tanhshrink", "softsign", "tanh")
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*_PLAIN, "sigmoid", "hardsigmoid", "mish"), ()),
    "hardtanh": ("min_val", "max_val"),
    "leaky_relu": ("negative_slope",),
    "gelu": ("approximate",),
    "softplus": ("beta", "threshold"),
    "elu": ("alpha",),
    "celu": ("alpha",),
    "softmax": ("dim", "_stacklevel", "dtype"),
    "log_softmax": ("dim", "_stacklevel", "dtype"),
    "cat": ("dim",),
    "flatten": ("start_dim", "end_dim"),
    **dict.fromkeys(("add", "sub", "mul", "truediv", "neg"), ()),
}
"""Functions of torch -> their options."""

KINKED = frozenset(
    [
        *("relu", "relu6", "leaky_relu", "hardtanh", "hardswish", "hardsigmoid"),
        *("ReLU", "ReLU6", "LeakyReLU", "Hardtanh", "Hardswish", "Hardsigmoid"),
        *(f"{stem}{n}d" for stem in ("MaxPool", "AdaptiveMaxPool") for n in (1, 2, 3)),
    ]
)
"""Layers and functions whose derivatives jump."""

METHODS: Mapping[str, tuple[str, ...]] = {
    name: FUNCTIONS[name]
    for name in ("relu", "tanh", "sigmoid", "softmax", "log_softmax", "flatten", "add", "sub", "mul", "neg")
}
"""Methods of tensors -> their options; each is the function of that name."""
