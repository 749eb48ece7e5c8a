-- Everything `tillgate verify` asks of one shard, inside one read-only snapshot. A check answers
-- faults only: what is wrong, with which object of which merchant, what was expected and found.
-- All of them take the merchants after `after` up to `upto`, so that memory stays bounded.

-- name: directory
-- The installation, and the ranges of buckets that belong to each shard.
-- scope: directory
select s.installation_id, m.bucket_from, m.bucket_to, m.shard
from directory_state s
left join shard_map m on true
order by m.bucket_from;

-- name: identity
-- Whose shard this is.
-- scope: directory
select i.installation_id, i.shard from shard_identity i;

-- name: heads
-- The heads of a shard in order, for a cursor.
-- scope: verify
select h.merchant_id, h.seq from heads h order by h.merchant_id;

-- name: merchants
-- The merchants that the directory knows, as of its snapshot.
-- scope: directory
select m.merchant_id from merchants m
where m.merchant_id > :after and m.merchant_id <= :upto;

-- name: counts
-- How much is looked at.
-- scope: verify
select
    (select count(p.payment_id) from payments p
     where p.merchant_id > :after and p.merchant_id <= :upto) as payments,
    (select count(*) from attempts a
     where a.merchant_id > :after and a.merchant_id <= :upto) as attempts,
    (select count(*) from refunds r
     where r.merchant_id > :after and r.merchant_id <= :upto) as refunds,
    (select count(*) from entries e
     where e.merchant_id > :after and e.merchant_id <= :upto) as entries,
    (select count(*) from postings g
     where g.merchant_id > :after and g.merchant_id <= :upto) as postings,
    (select count(*) from journal j
     where j.merchant_id > :after and j.merchant_id <= :upto) as events;

-- name: registrations
-- The channel accounts that money went through, to name where it lies. Only banks have statements.
-- scope: verify
select distinct a.channel_account_id, a.channel from attempts a
where a.merchant_id > :after and a.merchant_id <= :upto
union
select distinct r.channel_account_id, r.channel from refunds r
where r.merchant_id > :after and r.merchant_id <= :upto
union
select distinct l.channel_account_id, 'bank_transfer' from statement_lines l
where l.merchant_id > :after and l.merchant_id <= :upto;

-- name: account_kinds
-- Which kinds of ledger accounts there are, on which side, with one example of each.
-- scope: verify
select split_part(a.code, ':', 1) as kind, a.side, a.may_be_negative,
    (array_agg(a.merchant_id))[1] as merchant_id, (array_agg(a.code))[1] as code,
    (array_agg(a.currency))[1] as currency
from accounts a
where a.merchant_id > :after and a.merchant_id <= :upto
group by 1, 2, 3;

-- name: check_posting
-- Every posting has an amount above zero, two accounts, and an entry; an entry's postings count
-- 1, 2, 3 ...
-- scope: verify
select 'posting_malformed' as fault, p.merchant_id, 'ent' as prefix, p.entry_id as object_id,
    'posting ' || p.ordinal as place, 'an amount above zero and two accounts' as expected,
    p.amount || ' ' || p.currency || ', ' || p.debit || ' <- ' || p.credit as found
from postings p
where p.merchant_id > :after and p.merchant_id <= :upto
    and (p.amount <= 0 or p.debit = p.credit)
union all
select 'posting_without_entry', p.merchant_id, 'ent', p.entry_id, 'posting ' || p.ordinal,
    'an entry', 'none'
from postings p
left join entries e on e.merchant_id = p.merchant_id and e.entry_id = p.entry_id
    and e.merchant_id > :after and e.merchant_id <= :upto
where p.merchant_id > :after and p.merchant_id <= :upto and e.entry_id is null
union all
select 'entry_without_postings', e.merchant_id, 'ent', e.entry_id, e.reason, 'postings', 'none'
from entries e
left join postings p on p.merchant_id = e.merchant_id and p.entry_id = e.entry_id
    and p.merchant_id > :after and p.merchant_id <= :upto
where e.merchant_id > :after and e.merchant_id <= :upto and p.entry_id is null
union all
select 'posting_order', p.merchant_id, 'ent', p.entry_id, null, 'postings 1 to ' || count(*),
    min(p.ordinal) || ' to ' || max(p.ordinal)
from postings p
where p.merchant_id > :after and p.merchant_id <= :upto
group by p.merchant_id, p.entry_id
having min(p.ordinal) <> 1 or max(p.ordinal) <> count(*)
limit :limit;

-- name: check_running_balance
-- Along every account: postings count 1, 2, 3 ... and each stores the sum of all up to it. Those
-- after a wrong one that are only as wrong as it are not named again.
-- scope: verify
with legs as (
    select p.merchant_id, p.debit as code, p.currency, p.debit_number as number,
        p.debit_balance as stored, p.amount as debited, p.entry_id, p.ordinal
    from postings p
    where p.merchant_id > :after and p.merchant_id <= :upto
    union all
    select p.merchant_id, p.credit, p.currency, p.credit_number, p.credit_balance, -p.amount,
        p.entry_id, p.ordinal
    from postings p
    where p.merchant_id > :after and p.merchant_id <= :upto
),
counted as (
    select l.*, a.side, a.may_be_negative,
        row_number() over w as place,
        sum(case when a.side = 'debit' then l.debited else -l.debited end) over w as running
    from legs l
    left join accounts a on a.merchant_id = l.merchant_id and a.code = l.code
        and a.currency = l.currency and a.merchant_id > :after and a.merchant_id <= :upto
    window w as (
        partition by l.merchant_id, l.code, l.currency order by l.number, l.entry_id, l.ordinal
        rows unbounded preceding)
),
compared as (
    select c.*,
        lag(c.number - c.place, 1, 0::bigint) over w as shift_before,
        lag(c.running - c.stored, 1, 0::numeric) over w as error_before
    from counted c
    window w as (
        partition by c.merchant_id, c.code, c.currency order by c.number, c.entry_id, c.ordinal)
)
select f.fault, c.merchant_id, 'ent' as prefix, c.entry_id as object_id,
    c.code || ' ' || c.currency || ' posting ' || c.number as place,
    case f.fault
        when 'account_missing' then 'an account'
        when 'posting_number' then 'number ' || c.place + c.shift_before
        when 'posting_balance' then 'balance ' || c.running - c.error_before
        when 'balance_forbidden' then 'a balance of zero or more'
    end as expected,
    case f.fault
        when 'account_missing' then 'none'
        when 'posting_number' then 'number ' || c.number
        when 'posting_balance' then 'balance ' || c.stored
        when 'balance_forbidden' then 'balance ' || c.stored
    end as found
from compared c
cross join lateral (
    values
        ('account_missing', c.side is null and c.place = 1),
        ('posting_number', c.side is not null and c.number - c.place not in (0, c.shift_before)),
        ('posting_balance',
            c.side is not null and c.running - c.stored not in (0, c.error_before)),
        ('balance_forbidden', not c.may_be_negative and c.stored < 0)
) as f (fault, is_so)
where f.is_so
limit :limit;

-- name: check_account
-- Every account's balance and count are those of its postings, and none is below zero where that is
-- forbidden. With the running balances this is also the balance in its last posting.
-- scope: verify
with legs as (
    select p.merchant_id, p.debit as code, p.currency, p.amount as debited
    from postings p
    where p.merchant_id > :after and p.merchant_id <= :upto
    union all
    select p.merchant_id, p.credit, p.currency, -p.amount
    from postings p
    where p.merchant_id > :after and p.merchant_id <= :upto
),
sums as (
    select l.merchant_id, l.code, l.currency, sum(l.debited) as debited, count(*) as postings
    from legs l
    group by l.merchant_id, l.code, l.currency
),
compared as (
    select a.*, coalesce(s.postings, 0) as counted,
        coalesce(case when a.side = 'debit' then s.debited else -s.debited end, 0) as summed
    from accounts a
    left join sums s on s.merchant_id = a.merchant_id and s.code = a.code
        and s.currency = a.currency
    where a.merchant_id > :after and a.merchant_id <= :upto
)
select f.fault, c.merchant_id, null::text as prefix, null::uuid as object_id,
    c.code || ' ' || c.currency as place,
    case f.fault
        when 'account_balance' then 'balance ' || c.summed
        when 'account_postings' then c.counted || ' postings'
        when 'balance_forbidden' then 'a balance of zero or more'
    end as expected,
    case f.fault
        when 'account_balance' then 'balance ' || c.balance
        when 'account_postings' then c.postings || ' postings'
        when 'balance_forbidden' then 'balance ' || c.balance
    end as found
from compared c
cross join lateral (
    values
        ('account_balance', c.balance <> c.summed),
        ('account_postings', c.postings <> c.counted),
        ('balance_forbidden', c.balance < 0 and not c.may_be_negative)
) as f (fault, is_so)
where f.is_so
limit :limit;

-- name: check_trial_balance
-- Per merchant and currency, what stands on debit accounts equals what stands on credit accounts.
-- scope: verify
select 'trial_balance' as fault, a.merchant_id, null::text as prefix, null::uuid as object_id,
    a.currency as place,
    'credits of ' || coalesce(sum(a.balance) filter (where a.side = 'debit'), 0) as expected,
    'credits of ' || coalesce(sum(a.balance) filter (where a.side = 'credit'), 0) as found
from accounts a
where a.merchant_id > :after and a.merchant_id <= :upto
group by a.merchant_id, a.currency
having coalesce(sum(a.balance) filter (where a.side = 'debit'), 0)
    <> coalesce(sum(a.balance) filter (where a.side = 'credit'), 0)
limit :limit;

-- name: check_entry
-- Every entry is about something that exists and books exactly what the chart says for its reason:
-- the accounts, the amount and the currency of what it is about.
-- scope: verify
with shape as (
    select * from unnest(:reasons::text[], :debits::text[], :credits::text[])
        as s (reason, debit, credit)
),
clearing as (
    select * from unnest(:registrations::uuid[], :clearing_codes::text[])
        as c (channel_account_id, code)
),
parts as (
    select l.merchant_id, l.attempt_id, sum(l.suspended)::bigint as amount
    from statement_lines l
    where l.merchant_id > :after and l.merchant_id <= :upto and l.verdict = 'part'
    group by l.merchant_id, l.attempt_id
),
expected as (
    select e.merchant_id, e.entry_id, e.reason, e.reference, s.reason is not null as is_known,
        replace(s.debit, :any_clearing::text, coalesce(c.code, '')) as debit,
        replace(s.credit, :any_clearing::text, coalesce(c.code, '')) as credit,
        case e.reason when 'captured' then a.amount when 'funds_unexpected' then u.amount
            when 'funds_received' then nullif(l.suspended, 0) when 'funds_applied' then w.amount
            else r.amount end as amount,
        case e.reason when 'captured' then a.currency when 'funds_unexpected' then u.currency
            when 'funds_received' then l.currency when 'funds_applied' then a.currency
            else r.currency end as currency
    from entries e
    left join shape s on s.reason = e.reason
    left join attempts a on a.merchant_id = e.merchant_id and a.attempt_id = e.reference
        and a.merchant_id > :after and a.merchant_id <= :upto
    left join unexpected_funds u on u.merchant_id = e.merchant_id
        and u.attempt_id = e.reference and u.statement_line_id is null
        and u.merchant_id > :after and u.merchant_id <= :upto
    left join statement_lines l on l.merchant_id = e.merchant_id
        and l.statement_line_id = e.reference
        and l.merchant_id > :after and l.merchant_id <= :upto
    left join parts w on w.merchant_id = e.merchant_id and w.attempt_id = e.reference
    left join refunds r on r.merchant_id = e.merchant_id and r.refund_id = e.reference
        and r.merchant_id > :after and r.merchant_id <= :upto
    left join clearing c
        on c.channel_account_id = coalesce(
            a.channel_account_id, r.channel_account_id, l.channel_account_id)
    where e.merchant_id > :after and e.merchant_id <= :upto
)
select case when not x.is_known then 'entry_reason' when x.amount is null
        then 'entry_without_reference' else 'entry_shape' end as fault,
    x.merchant_id, 'ent' as prefix, x.entry_id as object_id, x.reason as place,
    case when not x.is_known then 'a reason of the chart'
        when x.amount is null then 'something that it is about'
        else x.amount || ' ' || x.currency || ', ' || x.debit || ' <- ' || x.credit
    end as expected,
    coalesce(p.amount || ' ' || p.currency || ', ' || p.debit || ' <- ' || p.credit, 'nothing')
        as found
from expected x
left join postings p on p.merchant_id = x.merchant_id and p.entry_id = x.entry_id
    and p.merchant_id > :after and p.merchant_id <= :upto
where not x.is_known or x.amount is null
    or (p.entry_id is not null
        and (p.ordinal, p.amount, p.currency, p.debit, p.credit)
            is distinct from (1, x.amount, x.currency, x.debit, x.credit))
limit :limit;

-- name: check_payment
-- Amounts within their bounds, stamps and captured money as the status says, the attempts that it
-- counts.
-- scope: verify
with tried as (
    select a.merchant_id, a.payment_id, count(*) as attempts,
        count(*) filter (where a.status = 'succeeded') as succeeded
    from attempts a
    where a.merchant_id > :after and a.merchant_id <= :upto
    group by a.merchant_id, a.payment_id
),
compared as (
    select p.merchant_id, p.payment_id, p.amount, p.currency, p.status, p.capture_method,
        p.amount_authorized, p.amount_captured, p.amount_refunded, p.amount_refund_pending,
        p.attempt_id, p.attempts, p.succeeded_at, p.canceled_at, p.expired_at,
        coalesce(t.attempts, 0) as tried, coalesce(t.succeeded, 0) as succeeded,
        a.attempt_id is not null and a.payment_id = p.payment_id as has_attempt,
        a.status as attempt_status
    from payments p
    left join tried t on t.merchant_id = p.merchant_id and t.payment_id = p.payment_id
    left join attempts a on a.merchant_id = p.merchant_id and a.attempt_id = p.attempt_id
        and a.merchant_id > :after and a.merchant_id <= :upto
    where p.merchant_id > :after and p.merchant_id <= :upto
)
select f.fault, c.merchant_id, 'pay' as prefix, c.payment_id as object_id, c.status as place,
    case f.fault
        when 'captured_over_authorized' then 'captured <= authorized <= ' || c.amount
        when 'refunds_over_captured' then 'refunds within ' || c.amount_captured
        when 'captured_for_status' then 'captured money as ' || c.status || ' says'
        when 'stamp_for_status' then 'the moment of ' || c.status
        when 'attempt_missing' then 'its present attempt'
        when 'attempts_counted' then c.tried || ' attempts'
        when 'captured_twice' then 'at most one attempt that succeeded'
        when 'attempt_for_status' then
            'an attempt that ' || case c.status when 'succeeded' then 'succeeded' else 'holds' end
    end as expected,
    case f.fault
        when 'captured_over_authorized'
            then c.amount_captured || ' captured, ' || c.amount_authorized || ' authorized'
        when 'refunds_over_captured'
            then c.amount_refunded || ' refunded, ' || c.amount_refund_pending || ' pending'
        when 'captured_for_status' then c.amount_captured || ' captured'
        when 'stamp_for_status' then concat_ws(', ', 'succeeded_at ' || c.succeeded_at,
            'canceled_at ' || c.canceled_at, 'expired_at ' || c.expired_at)
        when 'attempt_missing' then 'none of this payment'
        when 'attempts_counted' then c.attempts || ' attempts'
        when 'captured_twice' then c.succeeded || ' attempts'
        when 'attempt_for_status' then coalesce(c.attempt_status, 'none')
    end as found
from compared c
cross join lateral (
    values
        ('captured_over_authorized',
            not (0 <= c.amount_captured and c.amount_captured <= c.amount_authorized
                 and c.amount_authorized <= c.amount)),
        ('refunds_over_captured',
            c.amount_refunded < 0 or c.amount_refund_pending < 0
                or c.amount_refunded + c.amount_refund_pending > c.amount_captured),
        ('captured_for_status',
            case
                when c.status = 'succeeded' and c.capture_method = 'automatic'
                    then c.amount_captured <> c.amount
                when c.status = 'succeeded' then c.amount_captured = 0
                when c.status in ('requires_capture', 'closing') then false
                else c.amount_captured <> 0
            end),
        ('stamp_for_status',
            (c.status = 'succeeded') <> (c.succeeded_at is not null)
                or (c.status = 'canceled') <> (c.canceled_at is not null)
                or (c.status = 'expired') <> (c.expired_at is not null)),
        ('attempt_missing', c.attempt_id is not null and not c.has_attempt),
        ('attempts_counted', c.attempts <> c.tried),
        ('captured_twice', c.succeeded > 1),
        ('attempt_for_status',
            (c.status = 'succeeded' and c.attempt_status is distinct from 'succeeded')
                or (c.status = 'requires_capture'
                    and (c.attempt_status is distinct from 'authorized'
                         or c.amount_authorized = 0)))
) as f (fault, is_so)
where f.is_so
limit :limit;

-- name: check_captured
-- What a payment says was captured is what was booked for its attempts, once; an attempt succeeded
-- exactly if its money was booked.
-- scope: verify
with booked as (
    select e.merchant_id, e.reference as attempt_id, count(distinct e.entry_id) as entries,
        sum(p.amount) as amount
    from entries e
    join postings p on p.merchant_id = e.merchant_id and p.entry_id = e.entry_id
        and p.merchant_id > :after and p.merchant_id <= :upto
    where e.merchant_id > :after and e.merchant_id <= :upto and e.reason = 'captured'
    group by e.merchant_id, e.reference
),
tried as (
    select a.merchant_id, a.payment_id, a.attempt_id, a.status, b.entries, b.amount
    from attempts a
    left join booked b on b.merchant_id = a.merchant_id and b.attempt_id = a.attempt_id
    where a.merchant_id > :after and a.merchant_id <= :upto
),
sums as (
    select t.merchant_id, t.payment_id, coalesce(sum(t.entries), 0) as entries,
        coalesce(sum(t.amount), 0) as amount
    from tried t
    group by t.merchant_id, t.payment_id
)
select 'captured_not_booked' as fault, p.merchant_id, 'pay' as prefix, p.payment_id as object_id,
    p.status as place, p.amount_captured || ' booked as captured' as expected,
    coalesce(s.amount, 0) || ' booked' as found
from payments p
left join sums s on s.merchant_id = p.merchant_id and s.payment_id = p.payment_id
where p.merchant_id > :after and p.merchant_id <= :upto
    and p.amount_captured <> coalesce(s.amount, 0)
union all
select 'captured_twice', s.merchant_id, 'pay', s.payment_id, null, 'at most one capture applied',
    s.entries || ' captures'
from sums s
where s.entries > 1
union all
select 'attempt_not_booked', t.merchant_id, 'att', t.attempt_id, t.status,
    case when t.status = 'succeeded' then 'an entry of its money' else 'no entry' end,
    coalesce(t.entries, 0) || ' entries'
from tried t
where (t.status = 'succeeded') <> (coalesce(t.entries, 0) > 0)
limit :limit;

-- name: check_refund
-- The counters of a payment are its refunds; each refund is of an existing payment in its currency
-- and is reserved, paid or released in the book as its status says.
-- scope: verify
with refunded as (
    select r.merchant_id, r.payment_id,
        coalesce(sum(r.amount) filter (where r.status = 'succeeded'), 0) as done,
        coalesce(sum(r.amount) filter (
            where r.status in ('created', 'processing', 'requires_action')), 0) as pending
    from refunds r
    where r.merchant_id > :after and r.merchant_id <= :upto
    group by r.merchant_id, r.payment_id
),
booked as (
    select e.merchant_id, e.reference as refund_id,
        concat_ws(' ',
            case when bool_or(e.reason = 'refund_reserved') then 'reserved' end,
            case when bool_or(e.reason = 'refund_paid') then 'paid' end,
            case when bool_or(e.reason = 'refund_released') then 'released' end) as facts
    from entries e
    where e.merchant_id > :after and e.merchant_id <= :upto
        and e.reason in ('refund_reserved', 'refund_paid', 'refund_released')
    group by e.merchant_id, e.reference
),
facts as (
    select r.merchant_id, r.refund_id, r.status, coalesce(b.facts, 'nothing') as found,
        case r.status when 'succeeded' then 'reserved paid'
            when 'failed' then 'reserved released' when 'canceled' then 'reserved released'
            else 'reserved' end as expected
    from refunds r
    left join booked b on b.merchant_id = r.merchant_id and b.refund_id = r.refund_id
    where r.merchant_id > :after and r.merchant_id <= :upto
)
select 'refund_counters' as fault, p.merchant_id, 'pay' as prefix, p.payment_id as object_id,
    null::text as place,
    coalesce(b.done, 0) || ' refunded, ' || coalesce(b.pending, 0) || ' pending' as expected,
    p.amount_refunded || ' refunded, ' || p.amount_refund_pending || ' pending' as found
from payments p
left join refunded b on b.merchant_id = p.merchant_id and b.payment_id = p.payment_id
where p.merchant_id > :after and p.merchant_id <= :upto
    and (p.amount_refunded, p.amount_refund_pending)
        <> (coalesce(b.done, 0), coalesce(b.pending, 0))
union all
select 'refund_without_payment', r.merchant_id, 'rfd', r.refund_id, r.status,
    'a payment in ' || r.currency, coalesce('one in ' || p.currency, 'none')
from refunds r
left join payments p on p.merchant_id = r.merchant_id and p.payment_id = r.payment_id
    and p.merchant_id > :after and p.merchant_id <= :upto
where r.merchant_id > :after and r.merchant_id <= :upto
    and p.currency is distinct from r.currency
union all
select 'refund_not_booked', f.merchant_id, 'rfd', f.refund_id, f.status, f.expected, f.found
from facts f
where f.found <> f.expected
limit :limit;

-- name: check_statement_line
-- What of a line lies in suspense is booked; an attempt's tally is what its lines brought; parts
-- left suspense exactly if their sum became whole.
-- scope: verify
with booked as (
    select e.merchant_id, e.reference, e.reason
    from entries e
    where e.merchant_id > :after and e.merchant_id <= :upto
        and e.reason in ('funds_received', 'funds_applied')
),
brought as (
    select l.merchant_id, l.attempt_id,
        coalesce(sum(case l.verdict when 'over' then l.amount - l.suspended else l.amount end)
            filter (where l.verdict in ('paid', 'over', 'part', 'confirmed')), 0) as received,
        coalesce(sum(l.suspended) filter (where l.verdict = 'part'), 0) as parts
    from statement_lines l
    where l.merchant_id > :after and l.merchant_id <= :upto and l.attempt_id is not null
    group by l.merchant_id, l.attempt_id
)
select 'line_not_booked' as fault, l.merchant_id, 'sln' as prefix,
    l.statement_line_id as object_id, l.verdict as place,
    case when l.suspended > 0 then 'an entry of ' || l.suspended else 'no entry' end as expected,
    case when b.reference is null then 'none' else 'one' end as found
from statement_lines l
left join booked b on b.merchant_id = l.merchant_id and b.reference = l.statement_line_id
    and b.reason = 'funds_received'
where l.merchant_id > :after and l.merchant_id <= :upto
    and (l.suspended > 0) <> (b.reference is not null)
union all
select 'transfer_tally', coalesce(w.merchant_id, t.merchant_id), 'att',
    coalesce(w.attempt_id, t.attempt_id), null, 'received ' || coalesce(w.received, 0),
    'received ' || coalesce(t.received, 0)
from (
    select * from transfer_tallies x where x.merchant_id > :after and x.merchant_id <= :upto
) t
full join brought w on w.merchant_id = t.merchant_id and w.attempt_id = t.attempt_id
where coalesce(w.received, 0) <> coalesce(t.received, 0)
union all
select 'parts_not_applied', w.merchant_id, 'att', w.attempt_id, a.status,
    case when a.status = 'succeeded' then 'an entry of ' || w.parts else 'no entry' end,
    case when b.reference is null then 'none' else 'one' end
from brought w
join attempts a on a.merchant_id = w.merchant_id and a.attempt_id = w.attempt_id
    and a.merchant_id > :after and a.merchant_id <= :upto
left join booked b on b.merchant_id = w.merchant_id and b.reference = w.attempt_id
    and b.reason = 'funds_applied'
where (w.parts > 0 and a.status = 'succeeded') <> (b.reference is not null)
limit :limit;

-- name: check_unexpected_funds
-- Money that came unexpectedly has its entry, and was not booked to its payment as well. What a
-- statement brought is in the entries of its lines.
-- scope: verify
select case when e.entry_id is null then 'unexpected_not_booked' else 'attempt_booked_twice' end
        as fault,
    u.merchant_id, 'uxf' as prefix, u.unexpected_funds_id as object_id, u.status as place,
    case when e.entry_id is null then 'an entry of ' || u.amount || ' ' || u.currency
        else 'an attempt that did not succeed' end as expected,
    case when e.entry_id is null then 'none' else 'one that did' end as found
from unexpected_funds u
left join entries e on e.merchant_id = u.merchant_id
    and e.reference = coalesce(u.statement_line_id, u.attempt_id)
    and e.reason = case when u.statement_line_id is null then 'funds_unexpected'
        else 'funds_received' end
    and e.merchant_id > :after and e.merchant_id <= :upto
left join attempts a on a.merchant_id = u.merchant_id and a.attempt_id = u.attempt_id
    and a.merchant_id > :after and a.merchant_id <= :upto
where u.merchant_id > :after and u.merchant_id <= :upto
    and u.cause <> 'partial'
    and (e.entry_id is null or (u.statement_line_id is null and a.status = 'succeeded'))
limit :limit;

-- name: check_sequence
-- A merchant's journal counts 1, 2, 3 ... up to what its head says; no reader is ahead of it, and
-- every delivery carries an event that exists.
-- scope: verify
select 'sequence_gap' as fault, s.merchant_id, null::text as prefix, null::uuid as object_id,
    'sequence ' || s.seq as place, 'sequence ' || s.before + 1 as expected,
    'sequence ' || s.seq as found
from (
    select j.merchant_id, j.seq,
        lag(j.seq, 1, 0::bigint) over (partition by j.merchant_id order by j.seq) as before
    from journal j
    where j.merchant_id > :after and j.merchant_id <= :upto
) s
where s.seq <> s.before + 1
union all
select 'sequence_head', h.merchant_id, null, null, 'head', 'sequence ' || coalesce(l.last, 0),
    'sequence ' || h.seq
from heads h
left join (
    select j.merchant_id, max(j.seq) as last
    from journal j
    where j.merchant_id > :after and j.merchant_id <= :upto
    group by j.merchant_id
) l on l.merchant_id = h.merchant_id
where h.merchant_id > :after and h.merchant_id <= :upto and h.seq <> coalesce(l.last, 0)
union all
select 'cursor_ahead', c.merchant_id, null, null, c.reader, 'at most sequence ' || h.seq,
    'sequence ' || c.seq
from cursors c
join heads h on h.merchant_id = c.merchant_id
where c.merchant_id > :after and c.merchant_id <= :upto and c.seq > h.seq
union all
select 'delivery_without_event', d.merchant_id, 'dlv', d.delivery_id, null,
    'an event at sequence ' || d.seq, 'none'
from deliveries d
left join journal j on j.merchant_id = d.merchant_id and j.seq = d.seq
    and j.merchant_id > :after and j.merchant_id <= :upto
where d.merchant_id > :after and d.merchant_id <= :upto and j.seq is null
limit :limit;

-- name: check_history
-- Along every object: versions rise, the first line is its creation, every status follows from the
-- one before it by the tables of the lifecycles (so that terminal is never left), and the status is
-- the one that the line's type names. (A member is looked for as text, so that a line that is no
-- JSON is a fault and not an error; the first of its name is the object's own, because what
-- merchants name stands behind it.)
-- scope: verify
with lawful as (
    select * from unnest(:kinds::text[], :froms::text[], :tos::text[])
        as l (kind, status_before, status)
),
named as (
    select * from unnest(:types::text[], :type_statuses::text[]) as n (type, status)
),
told as (
    select j.merchant_id, j.seq, j.type, j.object_id, j.object_version,
        split_part(j.type, '.', 1) as kind,
        case when j.type like 'payment.%' or j.type like 'refund.%'
            then split_part(split_part(j.data, '"status":"', 2), '"', 1) end as status
    from journal j
    where j.merchant_id > :after and j.merchant_id <= :upto
),
ordered as (
    select t.*, lag(t.object_version) over w as version_before,
        coalesce(lag(t.status) over w, 'new') as status_before,
        row_number() over w as place
    from told t
    window w as (partition by t.merchant_id, t.object_id, t.kind order by t.seq)
)
select f.fault, o.merchant_id, o.kind as prefix, o.object_id,
    'sequence ' || o.seq || ', ' || o.type as place,
    case f.fault
        when 'event_type' then 'a type of the catalogue'
        when 'version_not_rising' then 'a version above ' || o.version_before
        when 'creation_not_told' then o.kind || '.created first'
        when 'status_path' then 'a status that may follow ' || o.status_before
        when 'status_of_type' then n.status
    end as expected,
    case f.fault
        when 'event_type' then o.type
        when 'version_not_rising' then 'version ' || o.object_version
        when 'creation_not_told' then o.type
        when 'status_path' then o.status
        when 'status_of_type' then o.status
    end as found
from ordered o
left join lawful l on l.kind = o.kind and l.status_before = o.status_before
    and l.status = o.status
left join named n on n.type = o.type
cross join lateral (
    values
        ('event_type', not o.type = any(:known_types::text[])),
        ('version_not_rising', o.object_version <= o.version_before),
        ('creation_not_told',
            o.place = 1 and o.status is not null and o.type not like '%.created'),
        ('status_path', o.status is not null and l.kind is null
            and (o.place = 1 or o.status <> o.status_before)),
        ('status_of_type', n.status is not null and n.status <> o.status)
) as f (fault, is_so)
where f.is_so
limit :limit;

-- name: check_last_line
-- Payments and refunds stand as their last line told them; every line is about one that exists.
-- scope: verify
with last as (
    select distinct on (j.merchant_id, j.object_id) j.merchant_id, j.object_id, j.seq, j.type,
        j.object_version, split_part(split_part(j.data, '"status":"', 2), '"', 1) as status,
        split_part(split_part(j.data, '"amount":', 2), ',', 1) as amount,
        split_part(split_part(j.data, '"currency":"', 2), '"', 1) as currency
    from journal j
    where j.merchant_id > :after and j.merchant_id <= :upto
        and (j.type like 'payment.%' or j.type like 'refund.%')
    order by j.merchant_id, j.object_id, j.seq desc
),
objects as (
    select p.merchant_id, p.payment_id as object_id, 'pay' as prefix, p.status, p.amount::text,
        p.currency, p.version
    from payments p
    where p.merchant_id > :after and p.merchant_id <= :upto
    union all
    select r.merchant_id, r.refund_id, 'rfd', r.status, r.amount::text, null, r.version
    from refunds r
    where r.merchant_id > :after and r.merchant_id <= :upto
)
select
    case when o.object_id is null then 'told_without_object'
        when l.object_id is null then 'object_not_told' else 'object_not_as_told' end as fault,
    coalesce(o.merchant_id, l.merchant_id) as merchant_id,
    coalesce(o.prefix, case when l.type like 'refund.%' then 'rfd' else 'pay' end) as prefix,
    coalesce(o.object_id, l.object_id) as object_id,
    'sequence ' || l.seq as place,
    concat_ws(' ', l.status, l.amount, l.currency, 'version ' || l.object_version) as expected,
    coalesce(concat_ws(' ', o.status, o.amount, o.currency, 'version ' || o.version), 'nothing')
        as found
from objects o
full join last l on l.merchant_id = o.merchant_id and l.object_id = o.object_id
where o.object_id is null or l.object_id is null
    or (l.status, l.amount) is distinct from (o.status, o.amount)
    or (o.currency is not null and l.currency is distinct from o.currency)
    or l.object_version > o.version
limit :limit;

-- name: check_prior
-- The lines about a payment point back to each other without a gap, and the payment to the last.
-- scope: verify
with about as (
    select j.merchant_id, j.seq, j.prior,
        case when j.type like 'payment.%' then j.object_id else j.payment_id end as payment_id
    from journal j
    where j.merchant_id > :after and j.merchant_id <= :upto
),
ordered as (
    select a.*, lag(a.seq) over w as before, lead(a.seq) over w is null as is_last
    from about a
    where a.payment_id is not null
    window w as (partition by a.merchant_id, a.payment_id order by a.seq)
)
select 'prior_chain' as fault, o.merchant_id, 'pay' as prefix, o.payment_id as object_id,
    'sequence ' || o.seq as place,
    coalesce('back to sequence ' || o.before, 'the first of its chain') as expected,
    coalesce('back to sequence ' || o.prior, 'the first of its chain') as found
from ordered o
where o.prior is distinct from o.before
union all
select 'prior_chain', a.merchant_id, null, null, 'sequence ' || a.seq,
    'no chain: it is about no payment', 'back to sequence ' || a.prior
from about a
where a.payment_id is null and a.prior is not null
union all
select 'last_sequence', p.merchant_id, 'pay', p.payment_id, null, 'sequence ' || o.seq,
    'sequence ' || p.last_sequence
from payments p
join ordered o on o.merchant_id = p.merchant_id and o.payment_id = p.payment_id and o.is_last
where p.merchant_id > :after and p.merchant_id <= :upto and p.last_sequence <> o.seq
limit :limit;

-- name: check_place
-- Every head has the bucket of its merchant's id; an open one is of this shard's buckets. Every
-- merchant with rows here, and every one that the directory places here, has a head.
-- scope: verify
with mine as (
    select * from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
        as m (bucket_from, bucket_to)
),
placed as (
    select h.merchant_id, h.bucket, h.open,
        ((get_byte(uuid_send(h.merchant_id), 6) & 15) << 8)
            | get_byte(uuid_send(h.merchant_id), 7) as bucket_of_id
    from heads h
    where h.merchant_id > :after and h.merchant_id <= :upto
)
select 'head_bucket' as fault, p.merchant_id, null::text as prefix, null::uuid as object_id,
    'head' as place, 'bucket ' || p.bucket_of_id as expected, 'bucket ' || p.bucket as found
from placed p
where p.bucket <> p.bucket_of_id
union all
select 'head_elsewhere', p.merchant_id, null, null, 'head', 'a bucket of this shard',
    'bucket ' || p.bucket_of_id
from placed p
where p.open and not exists (
    select from mine m where p.bucket_of_id between m.bucket_from and m.bucket_to)
union all
select 'merchant_without_head', r.merchant_id, null, null, r.place, 'a head', 'none'
from (
    select d.merchant_id, 'directory' as place
    from unnest(:merchant_ids::uuid[]) as d (merchant_id)
    join mine m on (((get_byte(uuid_send(d.merchant_id), 6) & 15) << 8)
        | get_byte(uuid_send(d.merchant_id), 7)) between m.bucket_from and m.bucket_to
    union
    select j.merchant_id, 'journal' from journal j
    where j.merchant_id > :after and j.merchant_id <= :upto
    union
    select p.merchant_id, 'payments' from payments p
    where p.merchant_id > :after and p.merchant_id <= :upto
    union
    select a.merchant_id, 'accounts' from accounts a
    where a.merchant_id > :after and a.merchant_id <= :upto
) r
left join heads h on h.merchant_id = r.merchant_id
where h.merchant_id is null
limit :limit;
