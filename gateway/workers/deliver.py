"""Deliver: posts claimed deliveries to their receivers and writes down what came of it.

Law: nothing is sent that was not claimed in a committed write, and whoever lost the lease or the
claim's time does not send. Every receiver has a lane of its own (`lanes.py`), so one that is slow,
broken or huge takes nothing from another; what does not fit in memory waits in the database. A
crash between sending and writing down repeats the same event id and body, nothing else.

    relay -> reserve, accept ----\\
                                   lane -> sign -> POST -> results -> one UPDATE for many
    waiting -> claim -> accept --/
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from gateway.center.notify import Notify
from gateway.center.ports import Clock, Persons
from gateway.center.replay import compose
from gateway.center.signing_secrets import Holder, SigningSecrets
from gateway.center.webhook_ports import Target, WebhookSender, WorkerDeliveries
from gateway.domain import delivery as deliveries
from gateway.domain import ids, webhook
from gateway.domain.delivery import Delivery
from gateway.domain.endpoint import WebhookEndpoint, has_failed_too_long
from gateway.domain.events import Event
from gateway.domain.lease import Lease
from gateway.domain.webhook import WebhookAnswer
from gateway.workers.lanes import Job, Lane
from gateway.workers.receivers import Receivers
from gateway.workers.settle import Settler
from gateway.workers.tenure import Tenure

POLL_S = 1.0
CLAIM_S = 45.0
SEND_S_MAX = 20.0  # a delivery takes 15 s at most; the rest is for writing it down
JOBS_MAX = 4_096
JOBS_CROWDED = JOBS_MAX // 2
CLAIM_JOBS_MAX = 1_024
REFILL_MIN = 16
LANES_KEPT_MAX = 2_048
FAILING_TRIES = 3  # after so many tries of one delivery its endpoint counts as failing

log = logging.getLogger("tillgate.deliver")

Observe = Callable[[str, float, float], None]
Wake = Callable[[], None]


class Deliverer:
    """Delivers the webhooks of one shard.

    `random` gives numbers of 0..1 for the jitter; `observe` gets judgement, seconds of the try and
    seconds since the event of each delivery's end; `wake` ends the sleep of the loop that runs
    `round`.
    """

    def __init__(
        self,
        *,
        store: WorkerDeliveries,
        tenure: Tenure,
        http: WebhookSender,
        secrets: SigningSecrets,
        notify: Notify,
        persons: Persons,
        clock: Clock,
        random: Callable[[], float],
        observe: Observe | None = None,
    ) -> None:
        self._store = store
        self._tenure = tenure
        self._http = http
        self._secrets = secrets
        self._notify = notify
        self._persons = persons
        self._clock = clock
        self._random = random
        self._observe = observe
        self.wake: Wake = lambda: None
        self._lanes: dict[Target, Lane] = {}
        self._jobs = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._receivers = Receivers(store, notify)
        self._settler = Settler(store, tenure, written=self._settled)
        self._survey_at = 0.0
        self._is_draining = False
        tenure.is_busy = self._is_busy

    # --- from the relay --------------------------------------------------------------------------

    def reserve(self, key: Target) -> bool:
        """Promise a place for a new delivery; if not, it waits in the database."""
        lane = self._lane(key)
        if self._is_draining or not self._room(lane):
            lane.has_backlog = True
            return False
        lane.reserved += 1
        self._jobs += 1
        return True

    def cancel(self, key: Target) -> None:
        """Give a promised place back."""
        self._lane(key).reserved -= 1
        self._jobs -= 1

    async def accept(
        self,
        pairs: Sequence[tuple[Delivery, Event]],
        *,
        holders: dict[Target, Holder],
        claimed_at: float,
    ) -> None:
        """Take over claimed deliveries, for each of which a place was promised.

        `holders` are the receivers as they were read just now; `claimed_at` is the monotonic time
        before the claim.
        """
        bodies = await self._bodies([event for _, event in pairs])
        now = asyncio.get_running_loop().time()
        for each, event in pairs:
            lane = self._lane((each.merchant_id, each.target))
            lane.reserved -= 1
            body = bodies.get(event.id)
            if body is None:
                self._jobs -= 1
                continue
            holder = holders.get(lane.key)
            if holder is not None:
                lane.holder, lane.holder_at = holder, now
            send_before = claimed_at + CLAIM_S - SEND_S_MAX
            lane.queue.append(Job(each, event.id, event.at, body, send_before))
            self._pump(lane)

    async def _bodies(self, events: Sequence[Event]) -> dict[str, bytes]:
        """The bodies of events by id; an event that cannot be composed costs no other."""
        try:
            for merchant_id in {e.merchant_id for e in events if e.personal is not None}:
                await self._secrets.know(merchant_id)
            composed = await compose(self._persons, events)
        except Exception:
            if len(events) == 1:
                log.exception("the event %s cannot be composed", events[0].id)
                return {}
            bodies: dict[str, bytes] = {}
            for event in events:
                bodies |= await self._bodies([event])
            return bodies
        return {event.id: body for event, body in zip(events, composed, strict=True)}

    def look_now(self) -> None:
        """Look for due deliveries at once instead of at the next survey."""
        self._survey_at = 0.0
        self.wake()

    # --- from the database -----------------------------------------------------------------------

    async def round(self) -> bool:
        """Claim what is due where there is room. Answers whether there is more to do at once."""
        leases = self._tenure.working()
        if not leases or self._is_draining:
            return False
        loop = asyncio.get_running_loop()
        business = self._clock.business()
        if loop.time() >= self._survey_at:
            self._survey_at = loop.time() + POLL_S
            self._forget()
            for key in await self._store.waiting(leases, now=business):
                self._lane(key).has_backlog = True
        rooms = self._rooms()
        if not rooms:
            return False
        for key, room in rooms.items():
            lane = self._lanes[key]
            lane.reserved += room
            lane.has_backlog = False  # until the relay or the claim says so again
            self._jobs += room
        claimed_at = loop.time()
        pairs: list[tuple[Delivery, Event]] = []
        try:
            pairs = await self._store.claim(leases, rooms, now=business, claim_s=CLAIM_S)
        finally:
            self._hand_back(rooms, pairs)
        if pairs:
            holders: dict[Target, Holder] = {}
            try:
                holders = await self._receivers.of([each for each, _ in pairs])
            finally:
                # Without them each lane reads its own; the promised places are used either way.
                await self.accept(pairs, holders=holders, claimed_at=claimed_at)
        return any(map(self._refill, self._lanes.values()))

    def _rooms(self) -> dict[Target, int]:
        """How much to claim for whom: an equal share, and of a lane's room one half, so that what
        the relay brings while the claim is under way finds a place too."""
        wanting = [lane for lane in self._lanes.values() if self._refill(lane)]
        share = max(REFILL_MIN, CLAIM_JOBS_MAX // max(1, len(wanting)))
        return {
            lane.key: min(share, (self._refill(lane) + 1) // 2)
            for lane in wanting[: CLAIM_JOBS_MAX // share]
        }

    def _refill(self, lane: Lane) -> int:
        """How much to fetch for a lane; nothing until enough is empty to be worth a statement."""
        room = self._room(lane) if lane.has_backlog else 0
        return 0 if room < min(REFILL_MIN, lane.load) else room

    def _hand_back(self, rooms: dict[Target, int], pairs: Sequence[tuple[Delivery, Event]]) -> None:
        """Keep the places that the claimed ones need; a lane that took all may have more."""
        counts = dict.fromkeys(rooms, 0)
        for each, _ in pairs:
            counts[(each.merchant_id, each.target)] += 1
        for key, room in rooms.items():
            lane = self._lanes[key]
            lane.reserved -= room - counts[key]
            self._jobs -= room - counts[key]
            lane.has_backlog = lane.has_backlog or counts[key] == room

    # --- one delivery ----------------------------------------------------------------------------

    def _pump(self, lane: Lane) -> None:
        """Send as much of a lane as may be in flight."""
        loop = asyncio.get_running_loop()
        while (job := lane.next_job(loop.time())) is not None:
            task = loop.create_task(self._send(lane, job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, lane: Lane, job: Job) -> None:
        try:
            after = await self._try(lane, job)
        except Exception:
            # The claim lapses and it is tried again; it has cost no try.
            log.exception("the delivery %s could not be sent", job.delivery.id)
            self._drop(lane)
        else:
            if after is None:
                self._drop(lane)
            else:
                self._settler.settle(job.delivery, after)
        finally:
            lane.in_flight -= 1
            if lane.is_shut(asyncio.get_running_loop().time()) and lane.queue:
                for waiting in lane.take_queue():
                    self._give_back(lane, waiting)
            if self._refill(lane):
                self.wake()
            self._pump(lane)

    async def _try(self, lane: Lane, job: Job) -> Delivery | None:
        """The delivery after this try; None if it may not be sent any more by us."""
        # Mostly both are in memory, and then nothing waits before the request leaves.
        holder = self._receivers.known(lane)
        if holder is None:
            holder = await self._receivers.present(lane, job.delivery)
        business = self._clock.business()
        if isinstance(holder, WebhookEndpoint) and holder.status != "enabled":
            return deliveries.abandoned(job.delivery, deliveries.ERROR_DISABLED, business)
        url = holder.url if isinstance(holder, WebhookEndpoint) else job.delivery.url
        signer = self._secrets.known_signer(holder, business)
        if signer is None:
            signer = await self._secrets.signer(holder, business)
        headers = webhook.sign(
            job.event_id,
            at=self._clock.wall_s(),
            body=job.body,
            secrets=signer.secrets,
            private_key=signer.seed,
        )
        now = asyncio.get_running_loop().time()
        if now >= job.send_before or not self._tenure.covers(job.delivery.merchant_id):
            return None
        answer = await self._http.post(url, headers=headers, body=job.body)
        business = self._clock.business()
        after = deliveries.settled(
            job.delivery,
            answer,
            url=url,
            now=business,
            wall=self._clock.wall(),
            jitter=self._random(),
        )
        self._learn(lane, holder, job, after, answer, business)
        return after

    def _learn(
        self,
        lane: Lane,
        holder: Holder,
        job: Job,
        after: Delivery,
        answer: WebhookAnswer,
        business: datetime,
    ) -> None:
        judgement = webhook.judge(answer.status)
        lane.note_answer(answer.duration_s)
        endpoint = holder if isinstance(holder, WebhookEndpoint) else None
        if judgement == "delivered":
            lane.note_success()
            if endpoint is not None and endpoint.failing_since is not None:
                self._tell(self._notify.note_recovered(endpoint))
        else:
            now = asyncio.get_running_loop().time()
            lane.note_failure(job.delivery.id, now=now, at=business)
            if endpoint is not None:
                self._note_failure(lane, endpoint, after, is_gone=judgement == "gone")
        if self._observe is not None:
            lag_s = (business - job.event_at).total_seconds()
            self._observe(judgement, answer.duration_s, lag_s)

    def _note_failure(
        self, lane: Lane, endpoint: WebhookEndpoint, after: Delivery, *, is_gone: bool
    ) -> None:
        now = self._clock.business()
        if is_gone or has_failed_too_long(endpoint, now):
            self._tell(self._notify.give_up(endpoint, is_gone=is_gone))
        elif endpoint.failing_since is None and (after.tries >= FAILING_TRIES or lane.is_probing):
            since = lane.failing_from or now
            self._tell(self._notify.note_failing(endpoint, since=since))

    def _tell(self, work: Awaitable[None]) -> None:
        """Carry out what concerns an endpoint beside the deliveries; it is tried again with the
        next one if it fails."""

        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("an endpoint's health could not be recorded")

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what is not sent ------------------------------------------------------------------------

    def _drop(self, lane: Lane) -> None:
        """Forget a job; its claim lapses."""
        self._jobs -= 1
        lane.has_backlog = True

    def _give_back(self, lane: Lane, job: Job) -> None:
        """Forget a job and its claim."""
        self._drop(lane)
        self._settler.give_back(job.delivery)

    def _settled(self, count: int) -> None:
        self._jobs -= count

    # --- lanes and the end -----------------------------------------------------------------------

    def _lane(self, key: Target) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def _room(self, lane: Lane) -> int:
        now = asyncio.get_running_loop().time()
        room = lane.room(now, is_crowded=self._jobs >= JOBS_CROWDED)
        return min(room, max(0, JOBS_MAX - self._jobs)) if lane.load else min(room, JOBS_MAX)

    def _forget(self) -> None:
        if len(self._lanes) > LANES_KEPT_MAX:
            self._lanes = {key: lane for key, lane in self._lanes.items() if not lane.is_idle}

    def _is_busy(self, lease: Lease) -> bool:
        """Whether anything of a range is in hand: queued, in flight, or not yet written down."""
        merchants = {key[0] for key, lane in self._lanes.items() if lane.load}
        merchants.update(self._settler.merchants)
        return any(lease.covers(ids.bucket_of(merchant)) for merchant in merchants)

    @property
    def load(self) -> int:
        """Deliveries in hand: queued, in flight, or not yet written down."""
        return self._jobs

    async def drain(self, timeout_s: float = SEND_S_MAX) -> None:
        """Give back what was not sent, wait for what was, and write it down."""
        self._is_draining = True
        for lane in self._lanes.values():
            for job in lane.take_queue():
                self._give_back(lane, job)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await self._settler.drain(timeout_s)
