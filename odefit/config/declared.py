"""The words that sections of a config are declared with: those of pydantic, from `declaring.py`.

Type checkers see pydantic's own, which know what an instance of a section holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        Discriminator,
        Field,
        Tag,
        ValidationInfo,
        field_validator,
        model_validator,
    )
else:
    from odefit.config.declaring import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        Discriminator,
        Field,
        Tag,
        ValidationInfo,
        field_validator,
        model_validator,
    )

__all__ = [
    "AfterValidator",
    "BaseModel",
    "BeforeValidator",
    "Discriminator",
    "Field",
    "Tag",
    "ValidationInfo",
    "field_validator",
    "model_validator",
]
