"""The networks of a draft as lines of its config."""

from __future__ import annotations

from collections.abc import Mapping

from odefit.interop.draft import DraftNetwork, DraftWeights
from odefit.interop.yaml_text import number, prior_text, quoted, short_mapping


def network_lines(networks: Mapping[str, DraftNetwork]) -> list[str]:
    """`networks: ...`, or nothing where there are none."""
    if not networks:
        return []
    lines = ["  networks:"]
    for name, network in networks.items():
        lines += [f"    {quoted(name)}:", f"      file: {quoted(network.file)}"]
        if len(network.inputs) > 1 or any(isinstance(size, str) for size in network.inputs):
            lines.append(f"      inputs: [{', '.join(str(size) for size in network.inputs)}]")
        if network.outputs != 1:
            lines.append(f"      outputs: {network.outputs}")
        if network.weights is not None:
            lines.append(f"      weights: {quoted(network.weights)}")
        lines += [f"      {key}: {text}" for key, text in _settings(network.whole).items()]
        layers = {quoted(target): short_mapping(_settings(own)) for target, own in network.layers.items()}
        if layers:
            lines += ["      layers:", *(f"        {target}: {text}" for target, text in layers.items())]
    return lines


def _settings(weights: DraftWeights) -> dict[str, str]:
    found = {}
    if weights.value is not None:
        found["value"] = number(weights.value)
    if weights.estimate is not None:
        found["estimate"] = "true" if weights.estimate else "false"
    if weights.prior is not None:
        found["prior"] = prior_text(weights.prior)
    return found
