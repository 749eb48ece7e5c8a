"""Simulators: how many signed requests a second a pretend channel takes on one core.

Law: requests are made beforehand by the channel's codec, each a new order with a real signature;
the simulator checks it, writes its book and signs its answer. The first answers are read by the
codec, and afterwards the book must hold every order that was acknowledged.
"""

import secrets
from pathlib import Path

import aiohttp

from benchmarks import requests
from benchmarks.finding import Finding, Player, Verdict
from benchmarks.load import Round, RunVoid, Target
from benchmarks.pretend import Pretend, open_simulators, pretend_channels, raw_of, sent
from benchmarks.requests import Request
from benchmarks.stage import Stage
from gateway.channels.codec import HandedOut

NAME = "simulators"
ABOUT = "signed orders a second that a pretend channel takes on one core"
RATE_FIRST, RESERVE = 3_000, 1.6
READ = 5
NOBODY = "http://127.0.0.1:9/notify"
ROUNDS_MAX = 3
CONNECTIONS_MAX = 64


class Asked:
    """Rounds of new orders at one simulator."""

    def __init__(self, stage: Stage, channel: Pretend, url: str, target: Target) -> None:
        self.channel = channel
        self.acknowledged = 0
        self._plan = stage.plan.with_at_most(CONNECTIONS_MAX)
        self._url, self._target = url, target
        self._file: Path = stage.plan.folder / f"simulator-{channel.codec.name}"
        self._rate = 0.0

    async def check(self) -> None:
        """Some orders whose answers the codec reads. Raises `RunVoid`."""
        for _ in range(READ):
            order = self.channel.order(secrets.token_hex(13))
            answer = await sent(self.channel.build(order))
            outcome = self.channel.codec.read_pay(self.channel.account, order, answer)
            if not isinstance(outcome, HandedOut):
                raise RunVoid(f"{self.channel.codec.name}: {outcome}")
            self.acknowledged += 1

    async def play(self, number: int) -> Round:
        """One round. Raises `RunVoid`."""
        plan = self._plan
        run = secrets.token_hex(6)
        count = int((self._rate or RATE_FIRST) * RESERVE * plan.seconds)
        made = (self.channel.build(self.channel.order(f"{run}{n:014d}")) for n in range(count))
        requests.write(self._file, (Request(raw_of(each), 200, b"") for each in made))
        measured = await plan.run(self._target, self._file)
        self._rate = max(self._rate, measured.rate)
        self.acknowledged += measured.requests
        return measured

    async def prove(self) -> str:
        """The book holds all of them. Raises `RunVoid`."""
        name = self.channel.codec.name
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._url}/book/{name}") as answer,
        ):
            orders = len((await answer.json())["orders"])
        under_way = self._plan.connections * self._plan.rounds
        if not self.acknowledged <= orders <= self.acknowledged + under_way:
            raise RunVoid(f"{name}: {self.acknowledged} acknowledged, {orders} in the book")
        return f"{orders:,} orders in the book of {name}"


async def measure(stage: Stage) -> Finding:
    """Every simulator that is there. Raises `RunVoid`."""
    plan = stage.plan.with_at_most(CONNECTIONS_MAX)
    async with open_simulators(plan.folder / NAME, core=plan.cores.server) as (url, target):
        channels = await pretend_channels(url, notify_url=NOBODY)
        asked = {each.codec.name: Asked(stage, each, url, target) for each in channels}
        for each in asked.values():
            await each.check()
        found = await plan.interleave(
            {name: each.play for name, each in asked.items()},
            rounds=min(plan.rounds, ROUNDS_MAX),
        )
        proofs = [await each.prove() for each in asked.values()]
    players = [
        Player(name=f"simulator of {name}", about="new orders", rounds=rounds)
        for name, rounds in found.items()
    ]
    return Finding(
        name=NAME,
        about=ABOUT,
        proof="; ".join(proofs),
        players=players,
        verdicts=[
            Verdict(
                what=f"{player.name}: signed requests/s on one core",
                value=player.middle("rate"),
                target=1_000,
                at_least=1_000,
            )
            for player in players
        ],
    )
