"""The section `model.networks.NAME`: a network that formulas call, and its weights."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from odefit.config.fields import Count, Finite, Name, NotNegative, Section, or_text, rare

if TYPE_CHECKING:
    from odefit.config.prior_section import PriorSection
else:
    PriorSection = rare("prior_section", "PriorSection")

_SHAPE = ("hidden", "activation", "output")
LayerName = Annotated[str, Field(min_length=1, max_length=200)]


class WeightsSection(Section):
    """Some of the weights of a network: of a layer (`layer1`), or one array of it (`layer1.weight`)."""

    value: Finite | None = Field(None, description="a number that each of them starts from, or keeps")
    estimate: bool | None = Field(None, description="false keeps them as they are")
    prior: PriorSection | None = Field(None, description="of each of them")


class NetworkSection(Section):
    """A neural network that formulas call by its name: `net(x, y)`, or `net(x, y)[0]` with several outputs."""

    hidden: list[Count] = Field(default_factory=lambda: [16, 16], max_length=20, description="widths of hidden layers")
    activation: str = Field("tanh", description="leaky_relu, relu, tanh, sigmoid, elu, gelu, silu or softplus")
    output: Literal["linear", "positive"] = Field("linear", description="positive: a softplus keeps it above 0")
    outputs: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="how many numbers it returns")
    penalty: NotNegative = Field(
        0.0, description="weight of the mean square of its output, so that it explains only what the mechanism cannot"
    )
    file: str | None = Field(
        None,
        min_length=1,
        description="in place of `hidden`, `activation` and `output`: a description of layers and steps in YAML, see "
        "[Networks from files](sciml.md#networks-from-files)",
    )
    inputs: (
        list[Annotated[Annotated[Name, Tag("text")] | Annotated[Count, Tag("other")], Discriminator(or_text)]] | None
    ) = Field(
        None,
        min_length=1,
        max_length=100,
        description="of a network from a file with several arguments: how many numbers each takes, or the name of an "
        "entry of data.arrays",
    )
    weights: str | None = Field(
        None, min_length=1, description="an HDF5 file with the weights that it starts from, `parameters/NAME/LAYER/…`"
    )
    value: Finite | None = Field(None, description="a number that weights start from of which `weights` has nothing")
    estimate: bool | None = Field(None, description="false keeps all weights as they are")
    prior: PriorSection | None = Field(None, description="of each weight; for `fit.loss: nll`")
    layers: dict[LayerName, WeightsSection] = Field(
        default_factory=dict,
        max_length=1000,
        description="settings of a layer or of one array of it, which win over those of the whole: "
        "{layer1: {estimate: false}, layer2.weight: {value: 0}}",
    )

    @field_validator("layers", mode="before")
    @classmethod
    def _no_null(cls, value: Any, info: ValidationInfo) -> Any:
        del info
        return {} if value is None else value

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if self.file is None:
            if self.inputs is not None:
                raise ValueError("inputs: is for a network from a file; another takes what its calls give it")
            return self
        for key in _SHAPE:
            if key in self.model_fields_set:
                raise ValueError(f"{key}: a network from a file has its layers there; remove one of the two")
        return self
