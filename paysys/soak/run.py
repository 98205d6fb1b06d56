"""One soak from start to end: drive, break, heal, wait, compare, say."""

from __future__ import annotations

import queue
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from tqdm import tqdm

from apps.core import ids
from paysys.replay import compare as replaying
from paysys.replay.client import Client
from paysys.replay.crew import Crew
from paysys.replay.purses import Purses
from paysys.replay.report import Merchant
from paysys.replay.scene import Place, Refused, Scene
from paysys.soak import books, compare, compare_disputes, faults, stories, takeovers
from paysys.soak import journal as journals
from paysys.soak.shopper import Shopper
from paysys.soak.sink import Sink
from paysys.soak.stack import PROVIDERS_FAULTS, Stack
from paysys.soak.story import WALLETS, World

CLIENTS = 8
# Minor units in each wallet to begin with, and for each merchant to pay out, in a soak of
# `FEW` payments; of more, more: enough, and now and then too little.
FILLED, EARNED, FEW = 150_000, 2_000_000, 1_000
HEALED_SECONDS = 60.0
LOOK_SECONDS = 0.5
BOOKS_SECONDS = 1_800.0  # to check every book, or book every statement, of a long soak
SETTLED = 20  # how often the providers' statements are booked, meanwhile
REPLAYED = 100  # keys that are sent once more at the end, to hear the same bytes
MOST_TOLD = 50


@dataclass
class Asked:
    payments: int
    faults: int
    seconds: float
    seed: int


@dataclass
class Soak:
    """`run` returns the summary; its `violations` are what is wrong."""

    asked: Asked
    stack: Stack
    journal: journals.Journal
    sink: Sink
    violations: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    figures: dict[str, Any] = field(default_factory=dict)
    _failures: list[BaseException] = field(default_factory=list)
    _begun: int = 0
    _told: int = 0
    _allowed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> dict[str, Any]:
        began = time.monotonic()
        merchants = self.stack.start()
        self._listen(merchants)
        self.world = self._prepare(merchants)
        self.figures["prepare_seconds"] = round(time.monotonic() - began, 1)
        self.stack.restart_providers(faults=PROVIDERS_FAULTS)
        self.stack.wait_until_ready()
        driven = time.monotonic()
        self._drive()
        self.figures["drive_seconds"] = round(time.monotonic() - driven, 1)
        self.figures["accepted_seconds"] = points(self.world.shopper.counts.accepted)
        self._revive()
        self.stack.heal()
        healed = time.monotonic()
        self._ask_again(healed)
        self._wait(healed)
        self.figures["healed_to_rest_seconds"] = round(time.monotonic() - healed, 1)
        self.stack.manage("settle", seconds=BOOKS_SECONDS)
        self._wait(time.monotonic())
        self._compare(merchants)
        self._revive()
        self.violations += broken(self.world.shopper.counts.answers)
        return self._summary()

    # --- before

    def _listen(self, merchants: list[Merchant]) -> None:
        """Every merchant wants to be told of everything that happens from now on."""
        client = Client(self.stack.url)
        for one in merchants:
            answer = client.post(
                "/v1/webhook_endpoints", {"url": self.sink.url}, api_key=one.api_key
            )
            if answer.status != 201:
                raise Refused(f"/v1/webhook_endpoints answered {answer.status}: {answer.body}")
        client.close()
        with self.stack.connect() as connection:
            while not books.are_listening(connection):
                time.sleep(LOOK_SECONDS)
            self._told_before = set(books.read_events(connection))

    def _prepare(self, merchants: list[Merchant]) -> World:
        """Customers, filled wallets, bank accounts, merchants with something to pay out."""
        by_id = {one.id: one for one in merchants}
        crew = Crew(self.stack.url, size=4)
        self.scene = Scene(crew, by_id, f"soak-{self.asked.seed}", Purses())
        places = {(one.id, number) for one in merchants for number in WALLETS}
        total = stories.count_until(self.asked.seed, self.asked.payments)
        own = stories.own_wallets(self.asked.seed, total, by_id)
        self.scene.make_customers(places | own)
        self.scene.make_wallets(places | own)
        self.scene.make_banks(places)
        self.scene.find_banks({one.id for one in merchants})
        known = [(place, self.scene.cards[place]) for place in sorted(places)]
        crew.do(known, self._make_known_to_both, "cards at PayPal too")
        times = 1 + self.asked.payments // FEW
        self.scene.fill(dict.fromkeys(places, FILLED * times))
        self.scene.earn(dict.fromkeys(by_id, EARNED * times))
        replaying.settle_down(self.stack.url, merchants, set(self.scene.prepared))
        self.stack.manage("release")
        shopper = Shopper(self.stack.url, self.journal, by_id)
        return World(shopper, self.scene, self.stack.simulator_url, self.asked.seed)

    def _make_known_to_both(self, client: Client, known: tuple[Place, str]) -> None:
        """A card that both providers can charge: what one never got may go to the other."""
        place, card = known
        body = {"provider": "paypal", "provider_token": "payer_good"}
        api_key = self.scene.merchants[place[0]].api_key
        answer = client.post(f"/v1/payment_methods/{card}/tokens", body, api_key=api_key)
        if answer.status != 200:
            raise Refused(f"tokens of {card} answered {answer.status}: {answer.body}")

    # --- meanwhile

    def _drive(self) -> None:
        """The stories in threads, the faults in this one; both at the same pace.

        A fault waits until its share of the stories has begun, and a story for its share of the
        faults, so that a fast machine does not have all of the one before all of the other.
        """
        total = stories.count_until(self.asked.seed, self.asked.payments)
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(total):
            waiting.put(number)
        self._until = time.monotonic() + self.asked.seconds
        with tqdm(total=total, desc="stories", unit="", mininterval=1, file=sys.stderr) as bar:
            threads = [
                threading.Thread(target=self._tell, args=(waiting, bar), daemon=True)
                for _ in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            self._break(total)
            for thread in threads:
                thread.join()
        self.figures["stories"] = self._told
        if self._failures:
            raise self._failures[0]
        if self._told < total:
            self.violations.append(f"coverage: {self._told} of {total} stories in time")

    def _break(self, total: int) -> None:
        kinds = self.stack.mutant.faults if self.stack.mutant else ()
        drawn = faults.schedule(self.asked.seed, self.asked.faults, kinds=kinds)
        between = max(3, self.asked.faults // SETTLED)
        for number, kind in enumerate(drawn):
            share = (number + 1) / (self.asked.faults + 1)
            self._allowed = int(total * share) + CLIENTS
            while self._begun < total * number / (self.asked.faults + 1) and self._is_time():
                time.sleep(0.05)
            if not self._is_time() or self._failures:
                self.violations.append(f"coverage: {number} of {self.asked.faults} faults in time")
                break
            self._note(f"{kind}")
            faults.inflict(kind, self.stack, number)
            self.injected[kind] += 1
            self._revive()
            if number % between == 0:
                self.stack.ring("payments.settle")
            rng = random.Random(f"pause:{self.asked.seed}:{number}")  # noqa: S311
            time.sleep(rng.uniform(0, 1.5))
        self._allowed = total

    def _note(self, kind: str) -> None:
        self.journal.write(fault=kind)

    def _revive(self) -> None:
        self.violations += [f"ended: {one}" for one in self.stack.revive()]

    def _is_time(self) -> bool:
        return time.monotonic() < self._until

    def _tell(self, waiting: queue.SimpleQueue[int], bar: Any) -> None:
        client = self.world.shopper.client()
        try:
            while self._is_time() and not self._failures:
                if self._begun >= self._allowed and not waiting.empty():
                    time.sleep(0.05)
                    continue
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                with self._lock:
                    self._begun += 1
                stories.tell(self.world, client, number)
                with self._lock:
                    self._told += 1
                bar.update()
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for us
            self._failures.append(error)
        finally:
            client.close()

    # --- afterwards

    def _ask_again(self, healed: float) -> None:
        """Every request that has no answer yet, under its key; then what waits for its merchant."""
        shopper = self.world.shopper
        crew = Crew(self.stack.url, size=CLIENTS)

        def ask(client: Client, operation: journals.Operation) -> None:
            left = healed + HEALED_SECONDS - time.monotonic()
            shopper.order(client, operation, patience_seconds=max(left, 1.0))

        unanswered = list(shopper.unanswered.values())
        self.figures["asked_again"] = len(unanswered)
        crew.do(unanswered, ask, "asked again")
        with self.stack.connect() as connection:
            left = [_to_give_up(*one) for one in books.read_left(connection).items()]
        self.figures["given_up"] = len(left)
        crew.do(left, ask, "given up")
        # "/v1/payments/pay_…/capture", and other orders about a payment
        paths = [one.path.split("/") for one in (*unanswered, *left)]
        self._kept_waiting = {path[3] for path in paths if path[2:3] == ["payments"] and path[3:]}

    def _wait(self, healed: float) -> None:
        """Until every run has ended: within a minute of the healing, or it is a violation."""
        with self.stack.connect() as connection:
            while open_ := self._unfinished(connection):
                if time.monotonic() - healed > HEALED_SECONDS:
                    self.violations += [f"unfinished: {one}" for one in open_]
                    return
                time.sleep(LOOK_SECONDS)

    def _unfinished(self, connection: psycopg.Connection) -> list[str]:
        found = books.unfinished(connection)
        if waiting := books.undelivered(self.stack.simulator_url):
            found.append(f"{waiting} webhooks of the providers are not delivered")
        return found

    def _compare(self, merchants: list[Merchant]) -> None:
        self._replay_some()
        with self.stack.connect() as connection:
            self.ours = books.read_ours(connection)
            self._measure(takeovers.read(connection))
        self.theirs = books.read_theirs(self.stack.simulator_url)
        found, decided = journals.read(self.journal.path), journals.decided(self.journal.path)
        self.violations += compare.Books(found, self.ours, self.theirs, decided).differences()
        self._compare_wallets(merchants, found)
        self._compare_events()
        checked = self.stack.try_to_manage("check_books", seconds=BOOKS_SECONDS)
        self.figures["books_clean"] = not checked.returncode
        if checked.returncode:
            wrong = [one for one in checked.stdout.splitlines() if not one.startswith("✓")]
            self.violations.append("books: " + "\n".join([*wrong, checked.stderr]))

    def _measure(self, taken_over: list[takeovers.Takeover]) -> None:
        """From the end of a process until somebody else had what it worked on."""
        seconds = takeovers.resumed(taken_over, takeovers.endings(self.journal.path))
        self.figures["resumed"] = len(seconds)
        self.figures["resumed_seconds"] = points(seconds)
        self.figures["taken_over_otherwise"] = len(taken_over) - len(seconds)

    def _replay_some(self) -> None:
        """A key that is sent again has the same answer, byte for byte."""
        found = [one for one in journals.read(self.journal.path).values() if one.answers]
        rng = random.Random(f"replay:{self.asked.seed}")  # noqa: S311
        client = self.world.shopper.client()
        for operation in rng.sample(found, min(REPLAYED, len(found))):
            # A refusal that is not kept (422, say) may be another one by now.
            if operation.answers[0]["status"] in (200, 201, 402):
                self.world.shopper.order(client, operation)
        client.close()

    def _compare_wallets(
        self, merchants: list[Merchant], found: dict[str, journals.Operation]
    ) -> None:
        crew = Crew(self.stack.url, size=4)
        bodies: dict[str, Any] = {}
        for what, rows in (("payments", self.ours.payments), ("payouts", self.ours.payouts)):
            bodies |= replaying.settle_down(self.stack.url, merchants, set(rows), what=what)
        taken = compare_disputes.taken(self.theirs)
        expected = compare.wallet_balances(found, bodies, taken)
        expected.update(self.scene.purses.balances(lambda _: True))
        owners = {
            wallet: self.scene.merchants[place[0]] for place, wallet in self.scene.wallets.items()
        }
        agreeing, differing = replaying.wallets(crew, owners, expected)
        self.figures["wallets_agreeing"] = agreeing
        self.violations += [f"wallet: {one}" for one in differing]

    def _kinds(self) -> dict[str, int]:
        return dict(Counter(one.partition(":")[0] for one in self.violations))

    def _compare_events(self) -> None:
        """Every event has arrived, those of one object in their order."""
        expected = set(self.ours.events) - self._told_before
        self.figures["events"] = len(expected)
        self.figures["events_repeated"] = self.sink.repeated
        for one in self.sink.missing(expected):
            self.violations.append(f"event: {one} {self.ours.events[one]['kind']} never arrived")
        self.violations += [f"order: {one}" for one in self.sink.out_of_order]

    def _summary(self) -> dict[str, Any]:
        counts = self.world.shopper.counts
        return {
            "seed": self.asked.seed,
            "ok": not self.violations,
            "violations": self.violations[:MOST_TOLD],
            "violation_count": len(self.violations),
            "violations_by_kind": self._kinds(),
            "payments": len(self.ours.payments),
            "refunds": len(self.ours.refunds),
            "payouts": len(self.ours.payouts),
            "transfers": len(self.ours.transfers),
            "disputes": len(self.ours.disputes),
            "disputes_by_status": _counted(self.ours.disputes),
            "faults": sum(self.injected.values()),
            "faults_by_kind": dict(sorted(self.injected.items())),
            "requests": counts.requests,
            "requests_lost": counts.lost,
            "answers": dict(sorted(counts.answers.items())),
            "answer_seconds": points(counts.seconds),
            "answer_seconds_with_repeats": points(counts.to_the_end),
            "run_seconds": points(self._run_seconds()),
            "skipped_steps": len(self.world.skipped),
            **self.figures,
        }

    def _run_seconds(self) -> list[float]:
        """From the beginning of a run to its end, unless it was the client who let it wait."""
        kept = {ids.decode("pay", payment) for payment in self._kept_waiting}
        return [value for key, value in self.ours.run_seconds.items() if key not in kept]


def _to_give_up(payment: str, row: books.Row) -> journals.Operation:
    """The order to void a payment that its merchant or its customer has left."""
    merchant, path = ids.encode("merchant", row["book_id"]), f"/v1/payments/{payment}/void"
    return journals.Operation(f"soak-void-{payment}", "void", merchant, path, {})


def broken(answers: Mapping[str, int]) -> list[str]:
    """An error of ours that nobody foresaw; a part that is away is a 503."""
    return [
        f"broken: {answer}, {times} times" for answer, times in answers.items() if " 500 " in answer
    ]


def _counted(rows: dict[str, books.Row]) -> dict[str, int]:
    return dict(sorted(Counter(row["status"] for row in rows.values()).items()))


def points(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered, last = sorted(seconds), len(seconds) - 1
    return {
        name: round(ordered[min(int(len(ordered) * share), last)], 3)
        for name, share in (("p50", 0.50), ("p99", 0.99), ("max", 1.0))
    }
