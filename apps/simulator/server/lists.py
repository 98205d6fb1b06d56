"""Lists: newest first, in pages, with the filters Stripe offers; and `expand`."""

from typing import Any

from . import objects
from .wire import Call, Json, StripeError
from .world import World, shown

_COMPARE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LIMIT = 100
_LINKED = ("payment_intent", "charge", "customer", "source", "type", "payout")
_IN_BODY = ("currency", "status", "destination")


def page(world: World, call: Call, kind: str) -> Json:
    """:raises StripeError: `limit` out of 1…100, or a cursor that is not there."""
    params = call.params
    limit = params.get("limit", 10)
    if not 1 <= limit <= _LIMIT:
        raise StripeError(
            400, "This value must be less than or equal to 100 (and at least 1).",
            code="parameter_invalid_integer", param="limit",
        )  # fmt: skip
    conditions, values = _filters(params)
    tail = "ORDER BY seq DESC"
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if params.get(name):
            cursor = world.get(params[name], kind, param=name, status=400)
            conditions.append(f"seq {sign} ?")
            values.append(cursor.seq)
            tail = "ORDER BY seq DESC" if sign == "<" else "ORDER BY seq"
    found = world.store.select(kind, " AND ".join(conditions), values, f"{tail} LIMIT {limit + 1}")
    more, found = len(found) > limit, found[:limit]
    if params.get("ending_before"):
        found.reverse()
    return {
        "object": "list", "data": [shown(world, record) for record in found], "has_more": more,
        "url": call.path,
    }  # fmt: skip


def _filters(params: Json) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for name in _LINKED:
        if params.get(name):
            conditions.append(f"{name} = ?")
            values.append(params[name])
    for name in _IN_BODY:
        if params.get(name):
            conditions.append(f"json_extract(body, '$.{name}') = ?")
            values.append(params[name])
    if params.get("types"):
        conditions.append(f"type IN ({', '.join('?' * len(params['types']))})")
        values.extend(params["types"])
    created = params.get("created")
    if isinstance(created, int):
        conditions.append("created = ?")
        values.append(created)
    elif isinstance(created, str):
        raise StripeError(400, f"Invalid integer: {created}", param="created")
    elif created:
        for bound, value in created.items():
            conditions.append(f"created {_COMPARE[bound]} ?")
            values.append(value)
    return conditions, values


def expand(world: World, body: Json, paths: list[str]) -> Json:
    """Replace ids by objects where asked. The body given is ours to change.

    :raises StripeError: a field that cannot be expanded.
    """
    for path in paths:
        steps = path.split(".")
        if body.get("object") == "list":
            if steps[0] != "data" or len(steps) < 2:
                raise _not_expandable(path)
            for entry in body["data"]:
                _expand(world, entry, steps[1:], path)
        else:
            _expand(world, body, steps, path)
    return body


def _expand(world: World, body: Json, steps: list[str], path: str) -> None:
    name, rest = steps[0], steps[1:]
    if len(steps) > 4 or name not in body:
        raise _not_expandable(path)
    value = body[name]
    if isinstance(value, str):
        kind = objects.KINDS.get(value.partition("_")[0])
        found = world.store.find(value, kind) if kind else None
        if found is None:
            raise _not_expandable(path)
        value = body[name] = shown(world, found)
    if rest and isinstance(value, dict):
        _expand(world, value, rest, path)
    elif not isinstance(value, dict | None):
        raise _not_expandable(path)


def _not_expandable(path: str) -> StripeError:
    return StripeError(400, f"This property cannot be expanded ({path}).", param="expand")
