-- name: load_accounts
-- Ledger accounts by code and currency; their merchants' heads are held.
select a.merchant_id, a.code, a.currency, a.side, a.may_be_negative, a.balance, a.postings
from unnest(:merchant_ids::uuid[], :codes::text[], :currencies::text[])
    as k (merchant_id, code, currency)
join accounts a on a.merchant_id = k.merchant_id and a.code = k.code and a.currency = k.currency;

-- name: open_accounts
-- Ledger accounts that are touched for the first time.
insert into accounts (
    merchant_id, code, currency, side, may_be_negative, balance, postings
)
select f[1]::uuid, f[2], f[3], f[4], f[5]::boolean, f[6]::bigint, f[7]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: move_accounts
-- Moves balances and counts postings, and tells what both were before, each with its place.
update accounts a set
    balance = a.balance + f[4]::bigint, postings = a.postings + f[5]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where a.merchant_id = f[1]::uuid and a.code = f[2] and a.currency = f[3]
returning
    a.balance - f[4]::bigint as balance, a.postings - f[5]::bigint as postings,
    f[6]::integer as place;

-- name: insert_entries
-- Entries; a fact is booked once because reason and reference are unique.
insert into entries (merchant_id, entry_id, reason, reference, reference_kind, at)
select
    f[1]::uuid, f[2]::uuid, f[3], f[4]::uuid, f[5], f[6]::timestamptz
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: insert_postings
-- Postings with both accounts' balance and number after them, counted from what they were before;
-- an account without a place has just been opened.
-- scope: chain
insert into postings (
    merchant_id, entry_id, ordinal, debit, credit, amount, currency, debit_balance,
    debit_number, credit_balance, credit_number
)
select
    f[1]::uuid, f[2]::uuid, f[3]::integer, f[4], f[5], f[6]::bigint, f[7],
    coalesce(((select b.balances from bases b))[f[12]::integer], 0) + f[8]::bigint,
    coalesce(((select b.numbers from bases b))[f[12]::integer], 0) + f[9]::bigint,
    coalesce(((select b.balances from bases b))[f[13]::integer], 0) + f[10]::bigint,
    coalesce(((select b.numbers from bases b))[f[13]::integer], 0) + f[11]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: balances
-- The balances of a merchant's own accounts.
select a.code, a.currency, a.balance
from accounts a
where a.merchant_id = :merchant_id and a.code = any(:codes::text[])
order by a.currency, a.code;

-- name: trial_balance
-- Every account of a merchant with its balance.
select a.code, a.currency, a.side, a.balance, a.postings
from accounts a
where a.merchant_id = :merchant_id
order by a.currency, a.code;

-- name: transactions
-- A page of what moved one account, newest first, with the running balance.
select
    case when p.credit = :code then p.credit_number else p.debit_number end as sequence,
    e.at, e.reason, e.reference, e.reference_kind, e.entry_id,
    case when p.credit = :code then p.amount else -p.amount end as credited,
    case when p.credit = :code then p.credit_balance else p.debit_balance end as balance_after
from (
    (select * from postings c
     where c.merchant_id = :merchant_id and c.credit = :code and c.currency = :currency
         and c.credit_number < :before
     order by c.credit_number desc limit :limit)
    union all
    (select * from postings d
     where d.merchant_id = :merchant_id and d.debit = :code and d.currency = :currency
         and d.debit_number < :before
     order by d.debit_number desc limit :limit)
) p
join entries e on e.merchant_id = p.merchant_id and e.entry_id = p.entry_id
where e.merchant_id = :merchant_id
order by sequence desc
limit :limit;

-- name: entries_of
-- The entries about some objects, with their postings, for a timeline.
select e.entry_id, e.reason, e.at, p.debit, p.credit, p.amount, p.currency
from entries e
join postings p on p.merchant_id = e.merchant_id and p.entry_id = e.entry_id
where e.merchant_id = :merchant_id and e.reference = any(:references::uuid[])
order by e.at, e.entry_id, p.ordinal;
