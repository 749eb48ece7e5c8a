-- name: pay
-- A whole batch of payments whose money came in full: heads, accounts, attempts, payments, entries,
-- postings, callbacks, journal. It is its own transaction, so that a batch is one round trip.
-- Whatever is not as it was seen (a version, a head that is closed, an account that nobody opened
-- yet) divides by zero on purpose, an effect or a fact that is there already breaks its key: nothing
-- of the batch is kept. No row is touched before the heads are held. A row is one text, as in
-- `fresh.sql`; sequences count from the heads, balances and their numbers from the accounts, both
-- looked up by place in arrays.
with taken as (
    update heads h set seq = h.seq + k.lines
    from unnest(
        string_to_array(:head_ids::text, e'\x1f')::uuid[],
        string_to_array(:head_lines::text, e'\x1f')::bigint[]
    ) with ordinality as k (merchant_id, lines, place)
    where h.merchant_id = k.merchant_id and h.open
    returning k.place, h.seq - k.lines as base
),
held as materialized (
    select array(select t.base from taken t order by t.place) as bases
),
whole as materialized (
    select h.bases
    from held h
    where 1 / (
        cardinality(h.bases) = cardinality(string_to_array(:head_ids::text, e'\x1f'))
    )::integer = 1
),
moved as (
    update accounts a set
        balance = a.balance + f[4]::bigint, postings = a.postings + f[5]::bigint
    from unnest(string_to_array((select :accounts::text from whole), e'\x1d'))
        with ordinality as g (line, place)
    cross join lateral string_to_array(g.line, e'\x1f') as f
    where a.merchant_id = f[1]::uuid and a.code = f[2] and a.currency = f[3]
    returning
        a.balance - f[4]::bigint as balance, a.postings - f[5]::bigint as postings, g.place
),
befores as materialized (
    select
        array_agg(m.balance order by m.place) as balances,
        array_agg(m.postings order by m.place) as numbers
    from moved m
),
given as materialized (
    select
        ((select string_to_array(:head_ids::text, e'\x1f')::uuid[]))[f[1]::integer] as merchant_id,
        ((select w.bases from whole w))[f[1]::integer] + f[2]::bigint as seq,
        f[3]::uuid as attempt_id, f[4]::bigint as attempt_version, f[5]::uuid as payment_id,
        f[6]::bigint as payment_version, f[7]::bigint as amount, f[8] as currency,
        f[9] as channel_order_no, to_timestamp(f[10]::double precision / 1000) as at,
        f[11]::uuid as entry_id, r.f, r.data
    from (
        select
            string_to_array(
                unnest(string_to_array(:rows::text, e'\x1d')), e'\x1f', e'\x1e'
            ) as f,
            unnest(:datas::text[]) as data
    ) r
),
tried as (
    update attempts a set
        status = 'succeeded', channel_order_no = g.channel_order_no, due_at = null,
        next_action = null, version = a.version + 1
    from given g
    where a.merchant_id = g.merchant_id and a.attempt_id = g.attempt_id
        and a.version = g.attempt_version
    returning 1
),
paid as (
    update payments p set
        status = 'succeeded', channel_order_no = g.channel_order_no,
        amount_authorized = g.amount, amount_captured = g.amount, amount_received = g.amount,
        payer_amount = g.f[12]::bigint, discount_amount = g.f[13]::bigint, succeeded_at = g.at,
        next_action = null, error = null, closing_to = null, last_sequence = g.seq,
        version = p.version + 1
    from given g
    where p.merchant_id = g.merchant_id and p.payment_id = g.payment_id
        and p.version = g.payment_version
    returning 1
),
booked as (
    insert into entries (merchant_id, entry_id, reason, reference, reference_kind, at)
    select g.merchant_id, g.entry_id, 'captured', g.attempt_id, 'att', g.at
    from given g
),
posted as (
    insert into postings (
        merchant_id, entry_id, ordinal, debit, credit, amount, currency, debit_balance,
        debit_number, credit_balance, credit_number
    )
    select
        g.merchant_id, g.entry_id, 1, g.f[14], g.f[15], g.amount, g.currency,
        ((select b.balances from befores b))[g.f[16]::integer] + g.f[18]::bigint,
        ((select b.numbers from befores b))[g.f[16]::integer] + g.f[19]::bigint,
        ((select b.balances from befores b))[g.f[17]::integer] + g.f[20]::bigint,
        ((select b.numbers from befores b))[g.f[17]::integer] + g.f[21]::bigint
    from given g
),
seen as (
    insert into callbacks (merchant_id, attempt_id, dedupe_key, channel, received_at, version)
    select g.merchant_id, g.attempt_id, g.f[22], g.f[23], g.at, 1
    from given g
),
told as (
    insert into journal (
        merchant_id, seq, at, type, object_id, object_version, prior, actor, request_id, data
    )
    select
        g.merchant_id, g.seq, g.at, 'payment.succeeded', g.payment_id, g.payment_version + 1,
        g.f[24]::bigint, g.f[25], g.f[26], g.data
    from given g
)
select 1 / (
    (select count(*) from tried) = n.rows and (select count(*) from paid) = n.rows
    and (select coalesce(cardinality(b.balances), 0) from befores b) = n.accounts
)::integer as whole
from (
    select
        cardinality(:datas::text[]) as rows,
        cardinality(string_to_array(:accounts::text, e'\x1d')) as accounts
) n;
