import asyncpg, time, os, asyncio
from gateway.adapters.postgres.verify import verify
from tests.world import open_world
N=int(os.environ.get("H10_N","5000"))
async def test_scale(installation, tmp_path):
    async with open_world(installation, tmp_path) as world:
        p = await world.paid("one", 500)
    c = await asyncpg.connect(installation.dsns[0])
    t=time.time()
    await c.execute(f"""
    create temp table g as select i, gen_random_uuid() pid, gen_random_uuid() aid, gen_random_uuid() eid from generate_series(1,{N}) i;
    create temp table p0 as select * from payments limit 1;
    create temp table a0 as select * from attempts limit 1;
    create temp table h0 as select seq from heads where merchant_id=(select merchant_id from p0);
    insert into payments select (jsonb_populate_record(p0, jsonb_build_object('payment_id', g.pid, 'merchant_order_no', 'n'||g.i, 'attempt_id', g.aid, 'last_sequence', h0.seq+g.i*2))).* from p0, g, h0;
    """)
    print("p", time.time()-t)
    await c.execute(f"""
    insert into attempts select (jsonb_populate_record(a0, jsonb_build_object('attempt_id', g.aid, 'payment_id', g.pid, 'channel_order_no', 'c'||g.i))).* from a0, g;
    insert into entries select p0.merchant_id, g.eid, 'captured', g.aid, 'att', p0.created_at from p0, g;
    insert into postings select p0.merchant_id, g.eid, 1, x.debit, 'pending', 500, 'CNY', 500*(g.i+1), g.i+1, 500*(g.i+1), g.i+1 from p0, g, (select debit from postings limit 1) x;
    update accounts set balance = 500*({N}+1), postings={N}+1 where merchant_id=(select merchant_id from p0);
    insert into journal select j.merchant_id, h0.seq+g.i*2-1, j.at, j.type, g.pid, 1, null, null, j.actor, j.request_id, j.data, null from (select * from journal where type='payment.created' limit 1) j, g, h0;
    insert into journal select j.merchant_id, h0.seq+g.i*2, j.at, j.type, g.pid, j.object_version, null, h0.seq+g.i*2-1, j.actor, j.request_id, j.data, null from (select * from journal where type='payment.succeeded' limit 1) j, g, h0;
    update heads set seq = seq+2*{N} where merchant_id=(select merchant_id from p0);
    """)
    print("made", time.time()-t, flush=True)
    at=[time.time()]
    last=[""]
    def prog(x):
        now=time.time(); print(f"{now-at[0]:6.2f} {last[0]}", flush=True); at[0]=now; last[0]=x.check
    r = await verify(installation.dsns, progress=prog)
    print(r.seconds, r.events, r.holds, [str(f) for f in r.faults[:5]])
    await c.execute("analyze")
    at[0]=time.time()
    r = await verify(installation.dsns, progress=prog)
    print("analyzed", r.seconds)
    assert r.holds
