"""From the command line to a listening simulator, and back on SIGTERM."""

import argparse
import ctypes
import signal
import socket
import sys
import threading
from typing import Any

import stripe

from .control import Control
from .engine import Engine
from .faults import Faults
from .listener import Answer, Listener
from .paypal import news as paypal_news
from .paypal.engine import Engine as PayPalEngine
from .store import Store
from .webhooks import Address, Postman, body_of, headers
from .world import NEWS, Config, World

_DEFAULTS = Config()
_DRAIN_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8001, help="0: any free one, printed at the start")
    add("--data", required=True, metavar="FILE", help="the SQLite file of its book")
    add("--webhook-url", default="", help="where events go; without it they are only recorded")
    add("--webhook-secret", default=_DEFAULTS.webhook_secret)
    add("--webhook-events", default=",".join(NEWS), help='names, "prefix.*", or "*"')
    add("--webhook-backoff", type=float, default=1.0, help="seconds before the second attempt")
    add("--paypal-webhook-url", default="", help="where PayPal's events go")
    add("--paypal-webhook-id", default=paypal_news.WEBHOOK_ID)
    add(
        "--paypal-reporting-delay",
        type=int,
        default=_DEFAULTS.paypal_reporting_delay_seconds,
        help="seconds until Transaction Search knows of a transaction",
    )
    add(
        "--paypal-most-lines",
        type=int,
        default=_DEFAULTS.paypal_most_lines,
        help="lines that Transaction Search finds at once; more are refused",
    )
    add("--seed", type=int, default=0, help="of the fault schedule")
    add(
        "--faults",
        default="",
        metavar="SCHEDULE",
        help="confirm:timeout_after=0.01,*:slow:300=0.02,webhook:lost=0.01, JSON, or a .json file",
    )
    add("--hold", type=float, default=30.0, help="seconds a timed-out connection is held")
    add("--later", default="3", help='seconds until late outcomes happen, or "never"')
    add(
        "--available-after",
        type=int,
        default=_DEFAULTS.available_after_seconds,
        help="seconds until a captured amount can be paid out",
    )
    add("--die-with-parent", action="store_true", help="end when its starter ends")


def run(options: dict[str, Any]) -> None:
    """Serve until SIGTERM or SIGINT; then let running requests end, and close the book."""
    if options["die_with_parent"] and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    host, port = options["host"], options["port"] or _free_port(options["host"])
    base_url = f"http://{host}:{port}"
    config = Config(
        base_url=base_url,
        api_version=stripe.api_version,
        hold_seconds=options["hold"],
        later_seconds=None if options["later"] == "never" else float(options["later"]),
        available_after_seconds=options["available_after"],
        webhook_url=options["webhook_url"],
        webhook_secret=options["webhook_secret"],
        webhook_events=tuple(options["webhook_events"].split(",")),
        webhook_backoff_seconds=options["webhook_backoff"],
        paypal_webhook_url=options["paypal_webhook_url"],
        paypal_webhook_id=options["paypal_webhook_id"],
        paypal_reporting_delay_seconds=options["paypal_reporting_delay"],
        paypal_most_lines=options["paypal_most_lines"],
        seed=options["seed"],
        schedule=options["faults"],
    )
    _serve(config, Store(options["data"]), host, port)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _serve(config: Config, store: Store, host: str, port: int) -> None:
    world = World(store, config, offset=int(store.setting("offset", "0")))
    faulty = "json_extract(facts, '$.token') LIKE 'pm_card_sim_%'"
    world.has_faulty_cards = bool(store.select("payment_method", faulty, tail="LIMIT 1"))
    faults = Faults(config.schedule, config.seed)
    postman = Postman(world, faults, _addresses(config))
    world.on_event = postman.post
    answers: dict[str, Answer] = {
        "/v1": Engine(world, faults).answer,
        "/paypal": PayPalEngine(world, faults).answer,
        "/_sim": Control(world, faults, postman).answer,
    }
    listener = Listener(host, port, world, answers)

    def stop(*_: object) -> None:
        world.stopping.set()
        world.has_news.set()
        # `shutdown` waits for the serving loop, which runs in this very thread.
        threading.Thread(target=listener.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    postman.start()
    print(f"simulator listening on {config.base_url}", flush=True)  # noqa: T201
    listener.serve_forever(poll_interval=0.2)
    listener.server_close()
    listener.drain(_DRAIN_SECONDS)
    postman.stop()
    store.close()


def _addresses(config: Config) -> dict[str, Address]:
    """Where news goes, by the kind under which each company's is kept."""
    return {
        "event": Address(
            config.webhook_url, config.webhook_secret, config.webhook_events, body_of, headers
        ),
        paypal_news.EVENT: Address(
            config.paypal_webhook_url,
            config.paypal_webhook_id,
            paypal_news.NEWS,
            paypal_news.body_of,
            paypal_news.headers,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    add_arguments(parser)
    run(vars(parser.parse_args()))
