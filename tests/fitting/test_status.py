"""Why a search ended is a code; its sentence is made from it, and only from it."""

from __future__ import annotations

import json
import pickle
import string

import pytest

from odefit.runs.results import ObjectiveSummary, Result, Starts
from odefit.status import Ending, Reason, Status

DETAILS = {
    "n": 500,
    "more": 2000,
    "limit": 1.5,
    "budget": 600.0,
    "other": 3,
    "total": 600,
    "unit": "epochs",
    "last": 50,
    "change": 0.031,
    "remedy": "more fit.epochs",
    "patience": 30,
    "epoch": 3,
    "cause": "the loss is {nan}: odd; really",
    "stage": "whole series",
    "distance": 1.234,
    "training": "the loss settled",
    "names": "change",
    "why": "the parameters no longer change",
    "left": 0.034,
    "noise": 0.71,
    "account": "the optimum moves by about 3 standard errors",
    "solver": "auto, rtol 1e-06, atol 1e-08",
}


def ending(reason: Reason) -> Ending:
    texts = reason.what + reason.cause + reason.remedy
    named = {name for _, name, _, _ in string.Formatter().parse(texts) if name}
    return Ending(reason, {name: DETAILS[name] for name in named})


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_that_begins_with_what_happened(reason: Reason) -> None:
    found = ending(reason)
    assert found.what
    assert found.account.startswith(found.what)
    assert found.message.startswith(found.account)
    assert found.status is reason.status


@pytest.mark.parametrize("reason", Reason)
def test_an_ending_survives_a_checkpoint_and_a_worker(reason: Reason) -> None:
    found = ending(reason)
    assert Ending.from_plain(json.loads(json.dumps(found.to_plain()))) == found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_text_of_the_user_with_braces_and_colons_stays_as_it_is() -> None:
    found = ending(Reason.BROKEN_OFF)
    assert found.what == "stopped at epoch 3"
    assert found.account == "stopped at epoch 3: the loss is {nan}: odd; really"
    assert found.message == f"{found.account}; the best parameters so far are kept"


def test_a_search_that_reached_nothing_has_failed_whatever_its_reason() -> None:
    assert Ending(Reason.NO_BETTER_LOSS, {"patience": 3}, failed=True).status is Status.FAILED


@pytest.mark.parametrize("status", Status)
def test_a_status_is_text_in_result_json(status: Status) -> None:
    summary = ObjectiveSummary(1.0, 1.0, 3, 1, None, None, None)
    result = Result(status, "so it went", "lbfgs", {}, summary, Starts(), 1.0, 0)
    plain = result.to_json()
    assert type(plain["status"]) is str
    assert Result.from_json(json.loads(json.dumps(plain))).status is status
