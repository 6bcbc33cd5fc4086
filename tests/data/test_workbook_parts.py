"""What is asked of the XML of a workbook before its reader sees it; nothing here is a workbook."""

from __future__ import annotations

import io
from xml.parsers import expat

import pytest

from odefit.data.grid.xml_events import go_through


def test_whole_xml_passes() -> None:
    go_through(io.BytesIO(b"<?xml version='1.0'?><a xmlns:b='c'><b:d e='1'>text</b:d></a>"))


@pytest.mark.parametrize("text", [b"", b"<a><b></a>", b"<a>", b"<a/>more", b"no XML"])
def test_xml_that_is_not_whole_is_refused(text: bytes) -> None:
    with pytest.raises(expat.ExpatError):
        go_through(io.BytesIO(text))


def test_entities_are_refused() -> None:
    with pytest.raises(ValueError, match="no entities"):
        go_through(io.BytesIO(b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>"))
