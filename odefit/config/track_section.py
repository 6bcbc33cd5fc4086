"""Where a fit is kept track of."""

from typing import Literal, Self

from pydantic import Field, model_validator

from odefit.config.fields import Count, Positive, Section

LOCAL = "sqlite:///mlflow.db"
REFUSED = frozenset("/\\#?%:")
"""Characters that Weights & Biases takes in no name of a project."""


class TrackSection(Section):
    """Keeping track of the fit in TensorBoard, MLflow or Weights & Biases; needs `odefit[tensorboard]` and the like."""

    tensorboard: str | None = Field(
        None, min_length=1, description="the folder of TensorBoard's logs; each fit has a folder of its own in it"
    )
    mlflow: str | Literal[True] | None = Field(
        None, description=f"the tracking server's address, or that of a database; `true`: {LOCAL}, here"
    )
    experiment: str = Field("odefit", min_length=1, max_length=200, description="MLflow: the experiment of the runs")
    wandb: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="the project in Weights & Biases; offline, in the folder wandb, unless WANDB_MODE is set",
    )
    nested: Count = Field(100, description="the most starts that get a run of their own inside of the fit's; the best")
    patience: Positive = Field(
        60.0, description="seconds without a sign of life after which a tracker is given up; the fit goes on"
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.tensorboard is None and self.mlflow is None and self.wandb is None:
            raise ValueError("says no tracker: name one, `tensorboard: FOLDER`, `mlflow: true` or `wandb: PROJECT`")
        if self.wandb is not None and not REFUSED.isdisjoint(self.wandb):
            raise ValueError(
                f"wandb: '{self.wandb}' is no name of a project there: leave out {' '.join(sorted(REFUSED))}"
            )
        return self

    @property
    def mlflow_address(self) -> str | None:
        """The address, the default's where it is `true`."""
        return LOCAL if self.mlflow is True else self.mlflow
