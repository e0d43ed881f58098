"""The request schemas of the contract in pydantic, and its errors as the contract's details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from svc_common import problem, query, work

__all__ = ["BurnQuery", "HoldQuery", "ListQuery", "NewOrder", "Record", "Records", "load"]

Model = TypeVar("Model")

QueryInteger = Annotated[int, BeforeValidator(query.integer)]
QueryNumber = Annotated[float, BeforeValidator(query.number)]
Tag = Annotated[str, Field(min_length=1, max_length=work.TAG_MAX_CHARS)]


class _StrictModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NewOrder(_StrictModel):
    """The body of `POST /data`."""

    name: str = Field(min_length=1, max_length=work.NAME_MAX_CHARS)
    quantity: int = Field(ge=1, le=work.QUANTITY_MAX)
    tags: list[Tag] = Field(default=[], max_length=work.TAGS_MAX)


class Record(_StrictModel):
    """One record of `POST /payload`."""

    id: int = Field(ge=1, le=work.RECORD_ID_MAX)
    value: int = Field(ge=-work.RECORD_VALUE_MAX, le=work.RECORD_VALUE_MAX)
    label: str = Field(min_length=1, max_length=work.LABEL_MAX_CHARS)


class ListQuery(_StrictModel):
    """The parameters of `GET /items`."""

    limit: QueryInteger = Field(default=work.LIST_DEFAULT_LIMIT, ge=1, le=work.LIST_MAX_LIMIT)
    offset: QueryInteger = Field(default=0, ge=0, le=work.OFFSET_MAX)


class BurnQuery(_StrictModel):
    """The parameters of `GET /cpu`."""

    n: QueryInteger = Field(default=work.BURN_DEFAULT, ge=1, le=work.BURN_MAX)


class HoldQuery(_StrictModel):
    """The parameters of `GET /hold`."""

    s: QueryNumber = Field(default=work.HOLD_DEFAULT_S, ge=0, le=work.HOLD_MAX_S)


Records = Annotated[list[Record], Field(max_length=work.RECORDS_MAX)]
"""The body of `POST /payload`."""


def load(adapter: TypeAdapter[Model], document: object) -> Model:
    """The validated value.

    Raises:
        ProblemError: 422 with one detail per field that does not fit.
    """
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise problem.invalid(_details(error)) from None


def _details(error: ValidationError) -> Iterator[problem.Detail]:
    seen: set[str] = set()
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in fault["loc"])
        if field not in seen:
            seen.add(field)
            yield problem.Detail(field=field, problem=fault["msg"])
