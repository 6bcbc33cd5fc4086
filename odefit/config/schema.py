"""What a user may write in a config: every key, its type, its default and what it means.

Pure declarations. The descriptions travel into the JSON Schema (`odefit schema`), so that editors
complete and explain the keys. Nothing here reads a file or knows a formula.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from odefit.config.data_section import DataSection
from odefit.config.fields import Count, Name, NotNegative, OneOf, Positive, Section, Seed, rare
from odefit.config.fit_methods import AUTO, METHODS, as_written, method_names, own_keys
from odefit.config.model_section import ModelSection, ParameterSection
from odefit.config.noise_section import NoiseSection, noise_shape

if TYPE_CHECKING:
    from odefit.config.cluster_section import ClusterSection
    from odefit.config.derived_section import DerivedSection
    from odefit.config.plots_section import PlotSection
    from odefit.config.track_section import TrackSection
    from odefit.config.training_section import HorizonSection, ScheduleSection, WindowsSection
else:
    ClusterSection = rare("cluster_section", "ClusterSection")
    DerivedSection = rare("derived_section", "DerivedSection")
    PlotSection = rare("plots_section", "PlotSection")
    TrackSection = rare("track_section", "TrackSection")
    HorizonSection = rare("training_section", "HorizonSection")
    ScheduleSection = rare("training_section", "ScheduleSection")
    WindowsSection = rare("training_section", "WindowsSection")


class SolverSection(Section):
    """How the equations are integrated."""

    method: str = Field("auto", description="`auto`, a compiled method (tsit5, bdf, …) or a torchdiffeq one (rk4, …)")
    rtol: Annotated[float, Field(ge=1e-14, le=1)] = Field(1e-6, description="relative tolerance of each step")
    atol: Positive | Literal["auto"] | Annotated[dict[Name, Positive], Field(min_length=1)] = Field(
        "auto", description="absolute tolerance of each step: a number, one per state, or by the size of each state"
    )
    sensitivity_rtol: Positive | None = Field(
        None, description="rtol of the sensitivities, compiled engine; default: rtol"
    )
    sensitivity_atol: Positive | None = Field(
        None, description="atol of the sensitivities, compiled engine; default: as for the states"
    )
    step: Positive | None = Field(None, description="step size of the fixed-step methods")
    adjoint: bool = Field(False, description="torchdiffeq's adjoint: less memory, slower, less exact")
    dtype: Literal["float64", "float32"] = Field("float64", description="precision of the torch methods")
    device: str = Field("cpu", description="where the torch methods compute: cpu, cuda, cuda:0, …")


class FitSection(Section):
    """How the parameters are found."""

    method: Annotated[str, OneOf(method_names)] = Field(
        AUTO,
        description="`auto`: least_squares for equations and for small networks, else lbfgs; global: populations "
        "search the whole box, then least_squares from the best points",
    )
    seed: Seed = Field(0, description="of everything random: the same seed gives the same fit")
    starts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1, description="how many starting points")
    workers: Count | None = Field(None, description="processes at a time; default: one per core, none for short fits")
    time_limit: Positive | None = Field(None, description="seconds of the clock for one start, which is then given up")
    cpu_limit: Positive | None = Field(
        None, description="seconds of CPU time for one start, whose best point is kept: whatever the machine's load"
    )
    budget: Positive | None = Field(
        None,
        description="seconds of CPU time for all searches: as many starts as it takes, and only those that are ahead "
        "to their ends; `starts` are drawn at a time, 20 at least",
    )
    cluster: ClusterSection | None = Field(
        None, description="compute starts, and what the run is asked, on a cluster of Dask; `pip install odefit[dask]`"
    )
    folds: Annotated[int, Field(ge=2, le=1000)] | None = Field(
        None, description="cross-validation over experiments: each fold is predicted by a fit to the others"
    )
    intervals: Literal["wald", "profile"] | None = Field(
        None,
        description="wald: by the curvature at the optimum, the default; profile: as `odefit profile` makes them",
    )
    max_iterations: Count | None = Field(None, description="least_squares, lbfgs: most iterations of one start")
    evaluations: Count | None = Field(
        None, description="global: evaluations of the objective by the population; default: 1000 for each parameter"
    )
    track: TrackSection | None = Field(None, description="keep track of the fit in TensorBoard, MLflow or W&B")
    # Training: of networks, and of equations with adam
    match: bool | Annotated[int, Field(ge=0, le=100_000_000)] | None = Field(
        None,
        description="first match the slopes of smoothed data; equations: `false` for no start, `true` for the first as "
        "well, default all others; networks: how many iterations",
    )
    screen: Literal["values", "searches", "horizon"] | None = Field(
        None,
        description="how places become starts: by the objective there, by where a short search from each leads, or by "
        "short searches on growing beginnings of the series before; default: searches where starts have not come "
        "together, and `match` is not `false`; and horizon where data oscillate then",
    )
    shooting: bool | None = Field(
        None,
        description="move starts by multiple shooting: `true` for all, `false` for none; default: all but the first, "
        "where data oscillate whose slopes cannot be matched, and `match` is not `false`",
    )
    windows: WindowsSection | None = Field(None, description="networks: train on short pieces of the series first")
    horizon: HorizonSection | None = Field(
        None, description="networks and adam: train on a growing beginning of the series first"
    )
    epochs: Count | None = Field(None, description="passes over the data, the whole series")
    batch_size: Count | None = Field(None, description="adam: experiments per step; default: all")
    learning_rate: Positive | None = Field(None, description="adam: the size of a step")
    schedule: ScheduleSection | None = Field(None, description="adam: how the learning rate changes over the epochs")
    loss: Literal["mse", "nll"] | None = Field(
        None, description="mean squared error, or the negative log-likelihood with sigma estimated"
    )
    gradient_clip: Positive | None = Field(None, description="adam: largest norm of a gradient")
    weight_decay: NotNegative | None = Field(None, description="networks: how strongly their weights are pulled to 0")
    patience: Count | None = Field(None, description="adam: stop after this many epochs without progress")
    plot_every: Count | None = Field(None, description="keep a frame for `plot --animate` every N epochs")

    @model_validator(mode="after")
    def _keys_of_the_method(self) -> Self:
        method, own = METHODS.get(self.method), own_keys()
        taken = method.keys if method is not None else ()
        given = [key for key in own if key not in taken and getattr(self, key) is not None]
        if given:
            alike = [key for key in given if own[key] == own[given[0]]]
            raise ValueError(f"{', '.join(alike)}: only for {own[given[0]]}, so say that (got `{self.method}`)")
        if method is not None and not method.searches and self.starts > 1:
            raise ValueError(f"starts: not for `method: {self.method}`, which trains from one start")
        if method is not None and not method.searches and self.max_iterations is not None:
            raise ValueError(f"max_iterations: not for `method: {self.method}`; set `epochs`")
        if method is not None and not method.searches and self.cpu_limit is not None:
            raise ValueError(f"cpu_limit: not for `method: {self.method}`; set `epochs`")
        if method is not None and (not method.searches or method.by_population) and self.budget is not None:
            remedy = "evaluations" if method.by_population else "epochs"
            raise ValueError(f"budget: not for `method: {self.method}`; set `{remedy}`")
        if self.cluster is not None and self.budget is not None:
            raise ValueError("cluster: not with `budget`, which is CPU time of this machine; set `starts`")
        by_batches = [each for each in METHODS.values() if each.by_batches]
        if self.windows is not None and self.windows.random and method not in by_batches:
            raise ValueError(f"windows.random: only for {as_written(by_batches)}; the others see all data at once")
        return self


class Config(Section):
    """One fit: what the model is, where the data are, how to fit."""

    version: Annotated[int, Field(ge=1)] | None = Field(
        None, description="which defaults hold: those of this version of the config; default: today's"
    )
    title: str | None = Field(None, max_length=200, description="what the pictures are headed with")
    model: ModelSection = Field(description="the differential equations: your own, or a built-in system")
    parameters: dict[Name, ParameterSection] = Field(
        default_factory=dict, description="the unknowns and the constants by name: where the search starts, and more"
    )
    data: DataSection = Field(description="what was measured, and under which conditions")
    noise: Annotated[
        Annotated[dict[Name, NoiseSection], Tag("each")] | Annotated[NoiseSection, Tag("all")],
        Discriminator(noise_shape),
    ] = Field(default_factory=dict, description="one noise model for all observables, or one for each")
    plots: dict[Name, PlotSection] = Field(
        default_factory=dict, max_length=1000, description="pictures of chosen observables and experiments, by name"
    )
    derived: dict[Name, DerivedSection] = Field(
        default_factory=dict,
        max_length=1000,
        description="quantities of whole curves, for each experiment: {Cmax: max(conc), AUC: integral(conc, 0, 24)}",
    )
    solver: SolverSection = Field(
        default_factory=dict, validate_default=True, description="how the equations are integrated"
    )
    fit: FitSection = Field(default_factory=dict, validate_default=True, description="how the parameters are found")

    @field_validator("parameters", "solver", "fit", "noise", "plots", "derived", mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value
