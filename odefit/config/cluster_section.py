"""The section `fit.cluster`: the Dask cluster on which starts, samples, chains and profiles are computed."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from odefit.config.fields import Count, Section, no_items

Text = Annotated[str, Field(min_length=1, max_length=1000)]


class LocalDaskSection(Section):
    """Workers on this machine, by Dask."""

    workers: Count = Field(description="processes")


class JobqueueSection(Section):
    """Workers that `dask-jobqueue` submits to a batch system. See its documentation for what the words mean."""

    system: Literal["slurm", "pbs", "sge", "lsf", "htcondor", "moab", "oar"] = Field(description="the batch system")
    jobs: Count = Field(1, description="how many jobs are submitted")
    cores: Count = Field(1, description="of each job: so many workers, each with one thread")
    memory: Text = Field(description="of each job, as in `4GB`")
    walltime: Text | None = Field(None, description="of each job, as the batch system writes it")
    queue: Text | None = Field(None, description="or partition")
    account: Text | None = Field(None, description="or project")
    interface: Text | None = Field(None, description="the network interface of the scheduler and the workers")
    directives: list[Text] = Field(default_factory=no_items, max_length=100, description="more lines of the job's head")
    prologue: list[Text] = Field(
        default_factory=no_items, max_length=100, description="what a job runs before its workers"
    )


class ClusterSection(Section):
    """A cluster of Dask. `tcp://10.0.0.1:8786` is short for `{address: tcp://10.0.0.1:8786}`."""

    SHORT: ClassVar = ((str, "address"),)

    address: Annotated[str, Field(pattern=r"^(tcp|tls)://\S+$", max_length=300)] | None = Field(
        None, description="of a scheduler that runs, as `tcp://10.0.0.1:8786` or `tls://…`"
    )
    dask: LocalDaskSection | None = Field(None, description="workers on this machine, which listen on loopback only")
    jobqueue: JobqueueSection | None = Field(None, description="workers as jobs of a batch system, by dask-jobqueue")
    batch: Count | None = Field(
        None, description="starts or samples that a worker takes at once; default: about a second's work"
    )
    tls_ca: Text | None = Field(None, description="the file of the certificate authority that `tls://` needs")
    tls_cert: Text | None = Field(None, description="the file of this client's certificate")
    tls_key: Text | None = Field(None, description="the file of its key")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = [name for name in ("address", "dask", "jobqueue") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give one of `address`, `dask` and `jobqueue`")
        keys = [key for key in ("tls_ca", "tls_cert", "tls_key") if getattr(self, key) is not None]
        if self.address is not None and self.address.startswith("tls:") and len(keys) < 3:
            raise ValueError("`tls://` needs tls_ca, tls_cert and tls_key")
        if keys and (self.address is None or not self.address.startswith("tls:")):
            raise ValueError(f"{keys[0]}: is for an address with `tls://`")
        return self
