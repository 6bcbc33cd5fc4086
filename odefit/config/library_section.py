"""The section of sparse models: what their equations may be made of."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from odefit.config.fields import Formula, Name, Section, no_items


class LibrarySection(Section):
    """`model.name: sparse`: the terms that `odefit discover` looks among; see [Discovery](discovery.md)."""

    degree: Annotated[int, Field(ge=0, le=6)] = Field(3, description="products of the variables up to this degree")
    functions: list[Name] = Field(
        default_factory=no_items, max_length=20, description="functions of one variable, e.g. [sin, exp]: of each state"
    )
    of: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=50,
        description="the variables of products: states, inputs, constants, t; default: states and inputs",
    )
    terms: list[Formula] = Field(
        default_factory=no_items, max_length=500, description="more terms, of states, inputs, t and parameters"
    )
    saturating: bool = Field(
        False, description="add x/(K + x) of each state, and its product with other states, K to be fitted"
    )
    mass_action: bool = Field(
        False, description="reactions of at most two molecules, with rates that are not negative, in place of products"
    )
    known: dict[Name, Formula] = Field(
        default_factory=dict, description="state: the part of its equation that is known, with parameters or without"
    )
    conserved: list[Formula] = Field(
        default_factory=no_items,
        max_length=50,
        description="weighted sums of states that stay what they are: S + I + R",
    )
    positive: list[Name] = Field(
        default_factory=no_items,
        max_length=1000,
        description="states that cannot become negative: what does not vanish with them is not subtracted",
    )
    vanishing: list[Name] = Field(
        default_factory=no_items,
        max_length=1000,
        description="states whose rates are 0 where they are: populations that do not come from nothing",
    )
    signs: dict[Name, dict[Formula, Literal["positive", "negative"]]] = Field(
        default_factory=dict, description="state: {term: the sign that its coefficient must have}"
    )
    without: dict[Name, list[Formula]] = Field(default_factory=dict, description="state: terms that its equation lacks")

    @model_validator(mode="after")
    def _reactions_alone(self) -> Self:
        if self.mass_action and (self.conserved or self.signs):
            key = "conserved" if self.conserved else "signs"
            raise ValueError(f"{key}: is not for `mass_action`, whose reactions say it already; leave one of them out")
        return self
