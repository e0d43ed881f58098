"""The request schemas of the contract in marshmallow, and its errors as the contract's details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict, cast

from marshmallow import RAISE, Schema, ValidationError, fields
from marshmallow.validate import Length, Range

from svc_common import problem, query, work

__all__ = [
    "BurnQuery",
    "HoldQuery",
    "ListQuery",
    "NewOrder",
    "Record",
    "load_burn_query",
    "load_hold_query",
    "load_list_query",
    "load_order",
    "load_records",
]


class NewOrder(TypedDict):
    """A validated body of `POST /data`."""

    name: str
    quantity: int
    tags: list[str]


class Record(TypedDict):
    """A validated record of `POST /payload`."""

    id: int
    value: int
    label: str


class ListQuery(TypedDict):
    """Validated parameters of `GET /items`."""

    limit: int
    offset: int


class BurnQuery(TypedDict):
    """Validated parameters of `GET /cpu`."""

    n: int


class HoldQuery(TypedDict):
    """Validated parameters of `GET /hold`."""

    s: float


class _QueryInteger(fields.Field[int]):
    def _deserialize(self, value: str, *_args: Any, **_kwargs: Any) -> int:
        try:
            return query.integer(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _QueryNumber(fields.Field[float]):
    def _deserialize(self, value: str, *_args: Any, **_kwargs: Any) -> float:
        try:
            return query.number(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _BoundedList(fields.List[Any]):
    """A list whose length is checked before its items, so that a long list costs nothing and names one fault."""

    def __init__(self, item: fields.Field[Any], *, max_items: int, **options: Any) -> None:
        super().__init__(item, **options)
        self._max_items = max_items

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > self._max_items:
            raise ValidationError(f"Longer than {self._max_items} items.")
        return super()._deserialize(value, attr, data, **kwargs)


class _StrictSchema(Schema):
    class Meta:
        unknown = RAISE


class _NewOrderSchema(_StrictSchema):
    name = fields.String(required=True, validate=Length(1, work.NAME_MAX_CHARS))
    quantity = fields.Integer(required=True, strict=True, validate=Range(1, work.QUANTITY_MAX))
    tags = _BoundedList(
        fields.String(validate=Length(1, work.TAG_MAX_CHARS)), max_items=work.TAGS_MAX, load_default=list
    )


class _RecordSchema(_StrictSchema):
    id = fields.Integer(required=True, strict=True, validate=Range(1, work.RECORD_ID_MAX))
    value = fields.Integer(required=True, strict=True, validate=Range(-work.RECORD_VALUE_MAX, work.RECORD_VALUE_MAX))
    label = fields.String(required=True, validate=Length(1, work.LABEL_MAX_CHARS))


class _ListQuerySchema(_StrictSchema):
    limit = _QueryInteger(load_default=work.LIST_DEFAULT_LIMIT, validate=Range(1, work.LIST_MAX_LIMIT))
    offset = _QueryInteger(load_default=0, validate=Range(0, work.OFFSET_MAX))


class _BurnQuerySchema(_StrictSchema):
    n = _QueryInteger(load_default=work.BURN_DEFAULT, validate=Range(1, work.BURN_MAX))


class _HoldQuerySchema(_StrictSchema):
    s = _QueryNumber(load_default=work.HOLD_DEFAULT_S, validate=Range(0, work.HOLD_MAX_S))


_NEW_ORDER = _NewOrderSchema()
_RECORDS = _RecordSchema(many=True)
_LIST_QUERY = _ListQuerySchema()
_BURN_QUERY = _BurnQuerySchema()
_HOLD_QUERY = _HoldQuerySchema()


def load_order(document: object) -> NewOrder:
    """The body of `POST /data`; every `load_*` here raises `ProblemError` 422 when something does not fit."""
    return cast(NewOrder, _load(_NEW_ORDER, document))


def load_records(document: object) -> list[Record]:
    """The body of `POST /payload`."""
    if isinstance(document, list) and len(document) > work.RECORDS_MAX:
        raise problem.invalid([problem.Detail(field="", problem=f"longer than {work.RECORDS_MAX} records")])
    return cast(list[Record], _load(_RECORDS, document))


def load_list_query(parameters: Mapping[str, str]) -> ListQuery:
    """The parameters of `GET /items`."""
    return cast(ListQuery, _load(_LIST_QUERY, parameters))


def load_burn_query(parameters: Mapping[str, str]) -> BurnQuery:
    """The parameters of `GET /cpu`."""
    return cast(BurnQuery, _load(_BURN_QUERY, parameters))


def load_hold_query(parameters: Mapping[str, str]) -> HoldQuery:
    """The parameters of `GET /hold`."""
    return cast(HoldQuery, _load(_HOLD_QUERY, parameters))


def _load(schema: Schema, document: object) -> object:
    try:
        return schema.load(cast(Any, document))
    except ValidationError as error:
        raise problem.invalid(_details(error.messages, ())) from None


def _details(messages: object, path: tuple[str, ...]) -> Iterator[problem.Detail]:
    """marshmallow's tree of messages as one detail per field; `_schema` is the object itself."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _details(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, list) and messages:
        yield problem.Detail(field=".".join(path), problem=str(messages[0]))
