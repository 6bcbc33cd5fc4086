"""The section `model.events`: states that change at once."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from odefit.config.fields import Formula, Name, Section, or_list


class EventSection(Section):
    """States that change at once: `{time: 10, set: {x: x/2}}`, or by a condition `{when: x < 1, set: {x: 5}}`.

    See [Events](experiments.md#events).
    """

    time: (
        Annotated[
            Annotated[list[Formula], Field(min_length=1, max_length=100_000), Tag("list")]
            | Annotated[Formula, Tag("other")],
            Discriminator(or_list),
        ]
        | None
    ) = Field(None, description="when: a number, a formula of parameters, or a list of these")
    when: Formula | None = Field(
        None,
        description="in place of `time` a condition of states, parameters, inputs and t, joined by and, or, not: the "
        "event comes each time it becomes true",
    )
    set: dict[Name, Formula] = Field(
        min_length=1, description="state: its new value, a formula of the states just before, of parameters and t"
    )
    at_start: bool = Field(False, description="of `when`: whether it comes at the start, if the condition holds there")
    delay: Formula | None = Field(
        None,
        description="of `when`: how much later it comes, a formula of what there is when the condition becomes true",
    )
    values: Literal["execution", "trigger"] = Field(
        "execution",
        description="of `when`: new values are computed when the event comes (execution), or before any delay and any "
        "other event at that time (trigger)",
    )
    persistent: bool = Field(
        True, description="of `when`: whether it comes even if the condition becomes false again before"
    )
    priority: Formula | None = Field(
        None, description="of `when`: of several that come at the same time, the highest comes first; default: 0"
    )

    @property
    def times(self) -> list[str]:
        """The formulas of its times; none where it comes by a condition."""
        return self.time if isinstance(self.time, list) else [] if self.time is None else [self.time]

    @property
    def texts(self) -> tuple[str, ...]:
        """All formulas in it."""
        others = (self.when, self.delay, self.priority)
        return (*self.times, *(text for text in others if text is not None), *self.set.values())

    @model_validator(mode="after")
    def _time_or_condition(self) -> Self:
        if (self.time is None) == (self.when is None):
            raise ValueError("give exactly one of time, when")
        if self.when is None:
            for key in sorted(self.model_fields_set - {"time", "set"}):
                raise ValueError(f"`{key}` is for an event that comes by a condition (`when`)")
        return self
