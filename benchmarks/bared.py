"""Bared: trials of the bare exchanges (`rivals/bare.py`), in the form of the relay's own.

Law: the same generators at the same pace, the same requests and the same receiver as `relayed.py`,
on the same core; what is left out is all that makes it a payment system. The requests are few and
sent again and again: they cost the program the same. Every webhook must have come with a genuine
signature, as many as callbacks were answered, else the run is void.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks import heard, notification, orders, processes, requests
from benchmarks.contest import Plan
from benchmarks.load import RunVoid, Target
from benchmarks.relayed import Spent, Trial, kept_count, part, until_heard
from benchmarks.requests import Request, Signer
from benchmarks.rivals.bare import MADE_BODY

MODULE = "benchmarks.rivals.bare"
PATH = "/bare"
REQUESTS = 2_000
SECRET_BYTES = 32
KEY_BITS = 2048


class Settings:
    """What the program is told: the key of the channel, and how webhooks are signed."""

    def __init__(self, folder: Path, receiver: Target) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        secret, seed = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        self.secrets = {PATH: "whsec_" + base64.b64encode(secret).decode("ascii")}
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.file = folder / "bare.json"
        self.file.write_text(
            json.dumps(
                {
                    "public_key": public.decode("ascii"),
                    "port": str(receiver.port),
                    "path": PATH,
                    "secret": base64.b64encode(secret).decode("ascii"),
                    "seed": base64.b64encode(seed).decode("ascii"),
                }
            ),
            "utf-8",
        )


class Bared:
    """Trials at a running program, whose webhooks come to `receiver`, which writes `kept`."""

    def __init__(
        self, target: Target, plan: Plan, settings: Settings, *, receiver: Target, kept: Path
    ) -> None:
        self.proven = 0
        self._target, self._plan, self._settings = target, plan, settings
        self._receiver, self._kept = receiver, kept
        self._creates = plan.folder / "bare-creates.requests"
        self._callbacks = plan.folder / "bare-callbacks.requests"

    async def open(self) -> None:
        """Write the requests."""
        requests.write(self._creates, _creates())
        requests.write(self._callbacks, _callbacks(self._settings.key))

    async def play(self, rate: float, *, seconds: float) -> Trial:
        """So many creates and as many callbacks a second. Raises `RunVoid`."""
        target, plan, count = self._target, self._plan, int(rate * seconds)
        heard_before = await kept_count(self._receiver)
        begin, before = self._kept.stat().st_size, self._spent()
        creates, callbacks = await asyncio.gather(
            plan.paced(target, self._creates, rate=rate, seconds=seconds, loop=True),
            plan.paced(target, self._callbacks, rate=rate, seconds=seconds, loop=True),
        )
        sent = self._spent()
        await until_heard(self._receiver, heard_before + count)
        after = self._spent()
        came = list(heard.read(self._kept, self._settings.secrets, begin=begin))
        if len(came) != count:
            raise RunVoid(f"{count} callbacks were answered, {len(came)} webhooks came")
        lags = sorted(each.at - float(each.created_at) for each in came)
        self.proven += count
        callbacks.lag_p99_ms = part(lags, 99)
        return Trial.of(
            rate,
            seconds,
            callbacks=callbacks,
            creates=creates,
            lags=lags,
            spent=(before, sent, after),
            count=count,
        )

    def _spent(self) -> Spent:
        return Spent.now(
            self._plan.cores,
            gateway=processes.cpu_s(self._target.pids[0]),
            worker=0.0,
            postgres=0.0,
            receiver=self._receiver.cpu_s(),
        )


def _creates() -> Iterator[Request]:
    """Creates as they are for the gateway; the answer is the same for all."""
    signer = Signer("mch_00000000000000000000000000", "key_00000000000000000000000000", bytes(32))
    for each in orders.orders_by([signer], "bare-", REQUESTS):
        yield each._replace(contains=MADE_BODY)


def _callbacks(key: rsa.RSAPrivateKey) -> Iterator[Request]:
    """Genuine notifications, each of another payment."""
    for number in range(REQUESTS):
        parameters = notification.paid(
            app_id="2021000000000000",
            seller_id="2088000000000000",
            order_no=f"01jd3x{number:020d}",
            trade_no=f"20261122{number:020d}",
            amount_fen=1 + number,
            subject="Green tea, 250 g",
        )
        path = "/callbacks/alipay/cac_00000000000000000000000000"
        yield notification.posted(path, notification.signed_form(parameters, key))
