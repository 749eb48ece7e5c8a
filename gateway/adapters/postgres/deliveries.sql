-- name: positions
-- How far the given merchants have come and how far they were read; `open` heads only.
-- scope: buckets
select h.merchant_id, h.seq, coalesce(c.seq, 0) as read
from unnest(:merchant_ids::uuid[]) as k (merchant_id)
join heads h on h.merchant_id = k.merchant_id and h.open
left join cursors c on c.merchant_id = h.merchant_id and c.reader = :reader
where h.seq > coalesce(c.seq, 0);

-- name: behind
-- Merchants of the leased buckets whose events were not all relayed.
-- scope: buckets
select h.merchant_id, h.seq, coalesce(c.seq, 0) as read
from unnest(:bucket_froms::integer[], :bucket_tos::integer[]) as k (bucket_from, bucket_to)
join heads h on h.bucket between k.bucket_from and k.bucket_to and h.open
left join cursors c on c.merchant_id = h.merchant_id and c.reader = :reader
where h.seq > coalesce(c.seq, 0)
limit :limit;

-- name: read_ahead
-- Of the given merchants those that are behind: a row with how far each was read and its head;
-- then a row for each of the next events that somebody wants: what its enabled endpoints' filters
-- name, the beginning of endpoints, and what belongs to payments with a URL of their own.
-- scope: buckets
with behind as materialized (
    select
        h.merchant_id, coalesce(c.seq, 0) as read, h.seq as head,
        least(h.seq, coalesce(c.seq, 0) + :each::bigint) as until, f.filters
    from unnest(:merchant_ids::uuid[]) as k (merchant_id)
    join heads h on h.merchant_id = k.merchant_id and h.open
    left join cursors c on c.merchant_id = h.merchant_id and c.reader = :reader
    cross join lateral (
        select array_agg(e.filter) as filters
        from webhook_endpoints w
        cross join lateral jsonb_array_elements_text(w.events) as e (filter)
        where w.merchant_id = h.merchant_id and w.status = 'enabled'
    ) f
    where h.seq > coalesce(c.seq, 0)
)
select
    b.merchant_id, b.read, b.head, null::bigint as seq, null::timestamptz as at,
    null::text as type, null::uuid as object_id, null::bigint as object_version,
    null::uuid as payment_id, null::text as actor, null::text as request_id,
    null::text as data, null::bytea as personal, null::text as notify_url
from behind b
union all
select
    b.merchant_id, b.read, b.head, j.seq, j.at, j.type, j.object_id, j.object_version,
    j.payment_id, j.actor, j.request_id, j.data, j.personal, p.notify_url
from behind b
join journal j on j.merchant_id = b.merchant_id and j.seq > b.read and j.seq <= b.until
cross join lateral (
    select coalesce(j.payment_id, case when j.type like 'payment.%' then j.object_id end) as id
) about
left join lateral (
    -- By order, so that no plan made on small tables walks through a merchant's every payment.
    select o.payment_id, o.notify_url
    from payments o
    where o.merchant_id = j.merchant_id and o.payment_id >= about.id
    order by o.payment_id
    limit 1
) p on p.payment_id = about.id
where p.notify_url is not null
    or b.filters && array['*', j.type, split_part(j.type, '.', 1) || '.*']
    or (b.filters is not null and j.type = 'webhook_endpoint.created')
order by merchant_id, seq nulls first;

-- name: advance
-- Moves cursors, each only from where it was read, and writes the deliveries of those that moved;
-- nothing at all under a lease that is lost. Answers the merchants that moved.
-- scope: buckets
with held as (
    select l.bucket_from, l.bucket_to
    from unnest(:lease_froms::integer[], :lease_fences::bigint[]) as k (bucket_from, fence)
    join leases l on l.work = :work and l.bucket_from = k.bucket_from
    where l.fence = k.fence and l.until > clock_timestamp()
    order by l.bucket_from
    for share of l
),
due as (
    select k.merchant_id, k.read, k.until
    from unnest(:merchant_ids::uuid[], :buckets::integer[], :reads::bigint[], :untils::bigint[])
        as k (merchant_id, bucket, read, until)
    join held on k.bucket between held.bucket_from and held.bucket_to
),
moved as (
    update cursors c set seq = due.until
    from due
    where c.merchant_id = due.merchant_id and c.reader = :reader and c.seq = due.read
    returning c.merchant_id
),
begun as (
    insert into cursors (merchant_id, reader, seq)
    select due.merchant_id, :reader, due.until from due where due.read = 0
    on conflict do nothing
    returning merchant_id
),
gone as (
    select merchant_id from moved union all select merchant_id from begun
),
written as (
    insert into deliveries (
        merchant_id, delivery_id, seq, endpoint_id, target, url, status, tries, due_at,
        claimed_until, created_at
    )
    select
        d.merchant_id, d.delivery_id, d.seq, d.endpoint_id, d.target, d.url, 'pending', 0,
        :now, case when d.claimed
            then clock_timestamp() + make_interval(secs => :claim_s::double precision) end, :now
    from unnest(
        :d_merchant_ids::uuid[], :delivery_ids::uuid[], :seqs::bigint[], :endpoint_ids::uuid[],
        :targets::text[], :urls::text[], :claimed::boolean[]
    ) as d (merchant_id, delivery_id, seq, endpoint_id, target, url, claimed)
    join gone g on g.merchant_id = d.merchant_id
    returning 1
)
select g.merchant_id, (select count(*) from written) as written from gone g;

-- name: waiting
-- The targets with something due in the leased buckets: one step of the index per target, however
-- much waits there.
-- scope: buckets
with recursive target as (
    (
        select d.merchant_id, d.target, d.due_at
        from deliveries d
        where d.due_at is not null
        order by d.merchant_id, d.target, d.due_at
        limit 1
    )
    union all
    (
        select n.merchant_id, n.target, n.due_at
        from target t
        cross join lateral (
            select d.merchant_id, d.target, d.due_at
            from deliveries d
            where d.due_at is not null and (d.merchant_id, d.target) > (t.merchant_id, t.target)
            order by d.merchant_id, d.target, d.due_at
            limit 1
        ) n
    )
)
select t.merchant_id, t.target
from target t
join unnest(:bucket_froms::integer[], :bucket_tos::integer[]) as k (bucket_from, bucket_to)
    on ((get_byte(uuid_send(t.merchant_id), 6) & 15) << 8)
        | get_byte(uuid_send(t.merchant_id), 7) between k.bucket_from and k.bucket_to
where t.due_at <= :now;

-- name: claim
-- Claims what is due at the given targets, the oldest first and no more than there is room for,
-- and answers it with its events; nothing under a lease that is lost.
-- scope: buckets
with held as (
    select l.bucket_from, l.bucket_to
    from unnest(:lease_froms::integer[], :lease_fences::bigint[]) as k (bucket_from, fence)
    join leases l on l.work = :work and l.bucket_from = k.bucket_from
    where l.fence = k.fence and l.until > clock_timestamp()
    order by l.bucket_from
    for share of l
),
chosen as (
    select c.merchant_id, c.delivery_id
    from unnest(:merchant_ids::uuid[], :buckets::integer[], :targets::text[], :rooms::integer[])
        as k (merchant_id, bucket, target, room)
    join held on k.bucket between held.bucket_from and held.bucket_to
    cross join lateral (
        select d.merchant_id, d.delivery_id
        from deliveries d
        where d.merchant_id = k.merchant_id and d.target = k.target and d.due_at <= :now
            and (d.claimed_until is null or d.claimed_until <= clock_timestamp())
        order by d.due_at
        limit k.room
    ) c
),
claimed as (
    update deliveries d
    set claimed_until = clock_timestamp() + make_interval(secs => :claim_s::double precision)
    from chosen c
    where d.merchant_id = c.merchant_id and d.delivery_id = c.delivery_id
        and d.due_at is not null
        and (d.claimed_until is null or d.claimed_until <= clock_timestamp())
    returning d.*
)
select
    d.delivery_id, d.endpoint_id, d.target, d.url, d.status, d.tries, d.due_at, d.last_status,
    d.last_error, d.created_at, j.merchant_id, j.seq, j.at, j.type, j.object_id,
    j.object_version, j.payment_id, j.actor, j.request_id, j.data, j.personal
from claimed d
join journal j on j.merchant_id = d.merchant_id and j.seq = d.seq
order by d.due_at;

-- name: settle
-- Writes what came of tries, each only once and only while its lease is held.
-- scope: buckets
with held as (
    select l.bucket_from, l.bucket_to
    from unnest(:lease_froms::integer[], :lease_fences::bigint[]) as k (bucket_from, fence)
    join leases l on l.work = :work and l.bucket_from = k.bucket_from
    where l.fence = k.fence and l.until > clock_timestamp()
    order by l.bucket_from
    for share of l
)
update deliveries d set
    url = k.url, status = k.status, tries = k.tries, due_at = k.due_at, claimed_until = null,
    last_status = k.last_status, last_error = k.last_error, finished_at = k.finished_at
from unnest(
    :merchant_ids::uuid[], :buckets::integer[], :delivery_ids::uuid[], :tries_before::integer[],
    :urls::text[], :statuses::text[], :tries::integer[], :due_ats::timestamptz[],
    :last_statuses::integer[], :last_errors::text[], :finished_ats::timestamptz[]
) as k (
    merchant_id, bucket, delivery_id, tries_before, url, status, tries, due_at, last_status,
    last_error, finished_at
)
join held on k.bucket between held.bucket_from and held.bucket_to
where d.merchant_id = k.merchant_id and d.delivery_id = k.delivery_id
    and d.tries = k.tries_before and d.status = 'pending'
returning 1;

-- name: release
-- Gives back claims of deliveries that were not tried, while the lease is held.
-- scope: buckets
with held as (
    select l.bucket_from, l.bucket_to
    from unnest(:lease_froms::integer[], :lease_fences::bigint[]) as k (bucket_from, fence)
    join leases l on l.work = :work and l.bucket_from = k.bucket_from
    where l.fence = k.fence and l.until > clock_timestamp()
    order by l.bucket_from
    for share of l
)
update deliveries d set claimed_until = null
from unnest(
    :merchant_ids::uuid[], :buckets::integer[], :delivery_ids::uuid[], :tries::integer[]
) as k (merchant_id, bucket, delivery_id, tries)
join held on k.bucket between held.bucket_from and held.bucket_to
where d.merchant_id = k.merchant_id and d.delivery_id = k.delivery_id
    and d.tries = k.tries and d.status = 'pending'
returning 1;

-- name: read_by_endpoint
-- What goes and went to one endpoint, newest first, with the events' types and times.
select
    d.delivery_id, d.endpoint_id, d.target, d.url, d.status, d.tries, d.due_at, d.last_status,
    d.last_error, d.created_at, d.finished_at, d.merchant_id, d.seq, j.at, j.type
from deliveries d
join journal j on j.merchant_id = d.merchant_id and j.seq = d.seq
where d.merchant_id = :merchant_id and d.endpoint_id = :endpoint_id
    and (:before::uuid is null or d.delivery_id < :before)
    and (:created_from::timestamptz is null or d.created_at >= :created_from)
    and (:created_to::timestamptz is null or d.created_at < :created_to)
order by d.delivery_id desc
limit :limit;

-- name: read_by_sequence
-- What an event set in motion: its deliveries, oldest first.
select
    d.delivery_id, d.endpoint_id, d.target, d.url, d.status, d.tries, d.due_at, d.last_status,
    d.last_error, d.created_at, d.finished_at, d.merchant_id, d.seq, j.at, j.type
from unnest(:seqs::bigint[]) as k (seq)
join deliveries d on d.merchant_id = :merchant_id and d.seq = k.seq
join journal j on j.merchant_id = :merchant_id and j.seq = d.seq
where d.merchant_id = :merchant_id
order by d.delivery_id
limit :limit;

-- name: send_again
-- New deliveries of events to a receiver, except where one of the same event still waits there.
insert into deliveries (
    merchant_id, delivery_id, seq, endpoint_id, target, url, status, tries, due_at, created_at
)
select
    h.merchant_id, k.delivery_id, k.seq, :endpoint_id, :target, :url, 'pending', 0, :now, :now
from unnest(:delivery_ids::uuid[], :seqs::bigint[]) as k (delivery_id, seq)
join heads h on h.merchant_id = :merchant_id and h.open
where h.merchant_id = :merchant_id and not exists (
    select 1 from deliveries d
    where d.merchant_id = :merchant_id and d.seq = k.seq and d.target = :target
        and d.status = 'pending'
)
returning 1;
