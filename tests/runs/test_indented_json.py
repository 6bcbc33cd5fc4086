"""The same text as Python's own encoder writes with an indent."""

import json
import math

import pytest

from odefit.runs.indented_json import indented_json


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        'grün "quoted" \\ \n',
        {"a": 1, "b": [1, 2.5, None], "c": {}, "d": [], "e": {"x": True, "y": "z"}},
        {"rows": [{"a": 1}, {"b": [[], [1], [[2, 3], {"k": "ü"}]]}], "tuple": (1, (2, 3)), "empty": [{}]},
        {"deep": {str(k): {str(j): 1 / (1 + k + j) for j in range(4)} for k in range(4)}, "last": "é"},
        {1: "a whole number as a name", "2": 3, None: 4},
        {1: [{}, {True: [1]}], 2.5: {"a": [1]}},
    ],
)
def test_it_is_the_text_of_the_standard_library(value: object) -> None:
    assert indented_json(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_what_is_no_number_is_refused_unless_it_may_be() -> None:
    for value in ({"a": math.nan}, {"a": [1, {"b": [math.inf]}]}):
        with pytest.raises(ValueError, match="JSON compliant"):
            indented_json(value)
        assert indented_json(value, allow_nan=True) == json.dumps(value, indent=2)
    with pytest.raises(TypeError):
        indented_json({"a": {1, 2}})
