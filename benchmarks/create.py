"""Create: signed, idempotent, and durable before it is answered; beside hello and the limit.

Law: hello and the limit are sent the very same bytes as the gateway (headers, signature, body; only
hello's path is its own), so that reading a request costs all of them the same. The least request
that hello can be sent is measured beside it and given as a figure of its own.
"""

from benchmarks.finding import Finding, Player, Verdict, ratio
from benchmarks.orders import Orders
from benchmarks.stage import Stage

NAME = "create"
ABOUT = "POST /v1/payments: signed, idempotent; payment and journal row durable (fsync on)"


async def measure(stage: Stage) -> Finding:
    """Create against hello. Raises `RunVoid`."""
    plan = stage.plan
    made = Orders(await stage.house(), plan, name=NAME)
    await made.check()
    found = await plan.interleave(
        {
            "tillgate": made.play,
            "hello": await stage.hello(made.file, name=NAME),
            "hello {}": await stage.hello_small("POST"),
            "nothing": await stage.nothing(made.file, name=NAME),
        }
    )
    ours = Player(name="tillgate", about=ABOUT, rounds=found["tillgate"])
    hello = Player(
        name="hello", about="aiohttp's hello, sent the same bytes", rounds=found["hello"]
    )
    small = Player(name="hello {}", about="hello, sent {}", rounds=found["hello {}"])
    nothing = Player(
        name="nothing", about="a low-level server, sent the same bytes", rounds=found["nothing"]
    )
    return Finding(
        name=NAME,
        about=ABOUT,
        proof=made.proof,
        players=[ours, hello, small, nothing],
        verdicts=[
            Verdict(
                what="create: CPU time of hello / ours",
                value=ratio(hello, ours, "cpu_us"),
                target=1.4,
                at_least=1.0,
            ),
            Verdict(
                what="create: throughput, ours / hello",
                value=ratio(ours, hello, "rate"),
                target=1.0,
                at_least=0.8,
            ),
        ],
        notes=[
            f"Beside hello that is sent {{}}: CPU {ratio(small, ours, 'cpu_us'):.2f}, throughput "
            f"{ratio(ours, small, 'rate'):.2f}.",
            "The limit (a low-level server that reads nothing and writes one buffer): CPU of "
            f"hello / nothing {ratio(hello, nothing, 'cpu_us'):.2f}.",
        ],
    )
