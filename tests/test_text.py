"""Words for people, in one place: whatever the user's text holds, a message is one short line."""

from __future__ import annotations

from pathlib import Path

import pytest

from odefit.text import (
    MOST_COMPARED,
    abridged,
    clip,
    closest,
    counted,
    cut,
    experiment_called,
    next_line,
    one_line,
    printable,
    show,
    suggest,
)


def test_what_is_no_character_to_print_is_written_out() -> None:
    assert printable("a\nb\x1b[31m é €") == "a\\nb\\x1b[31m é €"
    assert one_line("x\ty") == "x\\ty"
    assert show(Path("a\nb.csv")) == "a\\nb.csv"


@pytest.mark.parametrize(("text", "length", "short"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("\n\n\n", 4, "\\n\\…")])
def test_a_long_text_is_cut_with_a_mark(text: str, length: int, short: str) -> None:
    assert clip(text, length) == short
    assert len(clip(text, length)) <= length


def test_a_mark_of_its_own() -> None:
    assert cut("abcdefgh", 6, "...") == "abc..."


def test_numbers_with_their_nouns_and_lists_with_their_rest() -> None:
    assert [counted(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
    assert abridged(["a", "b"], 2) == "a, b"
    assert abridged([f"k{i}" for i in range(1502)], 2) == "k0, k1 and 1,500 more"


def test_the_name_that_was_meant_whatever_the_case() -> None:
    assert closest("HARE", ["lynx", "hare"]) == "hare"
    assert closest("hre", ["Hare", "lynx"]) == "Hare"
    assert closest("qqq", ["hare", "lynx"]) is None
    assert closest("x" * 10_000, ["hare"] * 10) is None


def test_a_suggestion_or_what_there_is() -> None:
    assert suggest("hre", ["hare", "lynx"]) == "did you mean 'hare'?"
    assert suggest("qqq", ["hare", "lynx"]) == "there is: hare, lynx"
    assert suggest("qqq", [f"k{i}" for i in range(20)]).endswith("k11 and 8 more")
    assert suggest("qqq", []) == "there is none"


def test_very_many_names_are_compared_in_part_only() -> None:
    names = [f"name_{i}" for i in range(MOST_COMPARED)]
    assert closest("hare", [*names, "hare"]) is None


def test_an_experiment_that_is_a_number_is_called_one() -> None:
    names = ("3", "-40", "0.5", "-0.5", "culture A", "A1", "1.2.3", "-")
    assert [experiment_called(name) == f"experiment {name}" for name in names] == [True] * 4 + [False] * 4


def test_the_next_command_is_quoted_where_a_shell_needs_it() -> None:
    assert next_line("fit", "my data.yaml") == "next: odefit fit 'my data.yaml'"
