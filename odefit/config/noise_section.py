"""How measurements scatter: the section `noise`, and the noise of simulated data."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from odefit.config.fields import Formula, NotNegative, Section

NOISE_MODELS = Literal[
    "gaussian",
    "proportional",
    "additive_proportional",
    "lognormal",
    "log10_normal",
    "laplace",
    "log_laplace",
    "log10_laplace",
    "student_t",
    "poisson",
    "negative_binomial",
]


class NoiseSection(Section):
    """How measurements scatter around one observable. `lognormal` is short for `{model: lognormal}`.

    `estimate` makes a parameter of its own: `sigma_<observable>`, `proportional_<observable>` or
    `dispersion_<observable>`. A name that several observables give is one parameter for all of them.
    """

    SHORT: ClassVar = ((str, "model"),)

    model: NOISE_MODELS = Field("gaussian", description="how measurements are distributed around the prediction")
    sigma: Formula = Field(
        "estimate",
        description="standard deviation (lognormal: of the natural logarithm; log10_normal: of the decimal one; "
        "laplace, student_t: the scale; log_laplace, log10_laplace: that of these logarithms): `estimate`, a "
        "number, a formula, or `column` (the data file's own sigma)",
    )
    proportional: Formula | None = Field(
        None,
        description="proportional, additive_proportional: standard deviation as a share of the prediction; `estimate`, "
        "a number or a formula",
    )
    dispersion: Formula | None = Field(
        None, description="negative_binomial: variance = m + dispersion m²; `estimate`, a number or a formula"
    )
    df: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        None, description="student_t: degrees of freedom, 4 unless given"
    )

    @model_validator(mode="after")
    def _keys_of_the_model(self) -> Self:
        belongs = {
            "proportional": ("proportional", "additive_proportional"),
            "dispersion": ("negative_binomial",),
            "df": ("student_t",),
        }
        for key, models in belongs.items():
            if getattr(self, key) is not None and self.model not in models:
                raise ValueError(f"{key}: only for {' and '.join(models)} noise (this is {self.model})")
        if "sigma" in self.model_fields_set and self.model in ("proportional", "poisson", "negative_binomial"):
            raise ValueError(f"sigma: {self.model} noise has none; remove it")
        return self


def simulated_shape(value: object) -> str:
    """A number, one noise model for all, or a number or model for each observable."""
    if isinstance(value, str | NoiseSection):
        return "mapping"
    if isinstance(value, dict):
        return "mapping" if value and set(value) <= NoiseSection.model_fields.keys() else "each"
    return "other"


SimulatedNoise = Annotated[
    Annotated[NoiseSection, Tag("mapping")] | Annotated[NotNegative, Tag("other")],
    Discriminator(lambda v: "mapping" if isinstance(v, str | dict | NoiseSection) else "other"),
]


def noise_shape(value: object) -> str:
    """`lognormal` or `{model: …, sigma: …}` is for all observables; any other mapping is one for each."""
    if isinstance(value, dict):
        return "all" if value and set(value) <= NoiseSection.model_fields.keys() else "each"
    return "all"
