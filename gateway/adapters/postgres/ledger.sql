-- name: load_accounts
-- Ledger accounts by code and currency; their merchants' heads are held.
select a.merchant_id, a.code, a.currency, a.side, a.may_be_negative, a.balance, a.postings
from unnest(:merchant_ids::uuid[], :codes::text[], :currencies::text[])
    as k (merchant_id, code, currency)
join accounts a on a.merchant_id = k.merchant_id and a.code = k.code and a.currency = k.currency;

-- name: insert_accounts
-- Ledger accounts that were touched for the first time.
insert into accounts (
    merchant_id, code, currency, side, may_be_negative, balance, postings
)
select * from unnest(
    :merchant_id::uuid[], :code::text[], :currency::text[], :side::text[],
    :may_be_negative::boolean[], :balance::bigint[], :postings::bigint[]
)
returning 1;

-- name: update_accounts
-- New balances, each only where the account has the number of postings that was loaded.
update accounts a set balance = k.balance, postings = k.postings
from unnest(
    :merchant_ids::uuid[], :codes::text[], :currencies::text[], :loaded::bigint[],
    :balance::bigint[], :postings::bigint[]
) as k (merchant_id, code, currency, loaded, balance, postings)
where a.merchant_id = k.merchant_id and a.code = k.code and a.currency = k.currency
    and a.postings = k.loaded
returning 1;

-- name: insert_entries
-- Entries; a fact is booked once because reason and reference are unique.
insert into entries (merchant_id, entry_id, reason, reference, reference_kind, at)
select * from unnest(
    :merchant_id::uuid[], :entry_id::uuid[], :reason::text[], :reference::uuid[],
    :reference_kind::text[], :at::timestamptz[]
)
returning 1;

-- name: insert_postings
-- Postings with both accounts' balance and number after them.
insert into postings (
    merchant_id, entry_id, ordinal, debit, credit, amount, currency, debit_balance,
    debit_number, credit_balance, credit_number
)
select * from unnest(
    :merchant_id::uuid[], :entry_id::uuid[], :ordinal::integer[], :debit::text[],
    :credit::text[], :amount::bigint[], :currency::text[], :debit_balance::bigint[],
    :debit_number::bigint[], :credit_balance::bigint[], :credit_number::bigint[]
)
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
