"""Objects that are only looked at, one by one."""

from .wire import Call, Json
from .world import World, shown


def charge(world: World, call: Call) -> Json:
    return world.get(call.object_id, "charge", param="id").body


def balance_transaction(world: World, call: Call) -> Json:
    return shown(world, world.get(call.object_id, "balance_transaction", param="id"))


def event(world: World, call: Call) -> Json:
    return world.get(call.object_id, "event", param="id").body
