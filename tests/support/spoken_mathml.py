"""MathML as a line of text."""

from __future__ import annotations

from xml.etree import ElementTree


def said(markup: str) -> str:
    """MathML as a line of text: (a)/(b) for fractions, ^{} and _{} for what is raised and lowered."""
    return _said(ElementTree.fromstring(f"<math>{markup}</math>"))


def _said(node: ElementTree.Element) -> str:
    parts = [_said(child) for child in node]
    match node.tag:
        case "mfrac":
            return f"({parts[0]})/({parts[1]})"
        case "msup":
            return f"{parts[0]}^{{{parts[1]}}}"
        case "msub":
            return f"{parts[0]}_{{{parts[1]}}}"
        case "msqrt":
            return f"√{{{''.join(parts)}}}"
        case "mtr":
            return ", ".join(parts) + "; "
        case "mspace":
            return ""
    return (node.text or "") + "".join(parts)
