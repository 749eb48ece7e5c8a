-- name: prepare
-- Makes the rows that workers compete for; those that exist stay as they are.
insert into leases (work, bucket_from, bucket_to)
select k.work, k.bucket_from, k.bucket_to
from unnest(:works::text[], :bucket_froms::integer[], :bucket_tos::integer[])
    as k (work, bucket_from, bucket_to)
on conflict do nothing;

-- name: renew
-- Prolongs the leases that are still held under their fence, by the database's clock.
-- scope: buckets
update leases l
set until = clock_timestamp() + make_interval(secs => :ttl_s::double precision)
from (
    select own.work, own.bucket_from
    from unnest(:works::text[], :bucket_froms::integer[], :fences::bigint[])
        as k (work, bucket_from, fence)
    join leases own on own.work = k.work and own.bucket_from = k.bucket_from
    where own.holder = :holder::uuid and own.fence = k.fence and own.until > clock_timestamp()
    order by own.work, own.bucket_from
    for update of own
) as mine
where l.work = mine.work and l.bucket_from = mine.bucket_from
returning l.work, l.bucket_from, l.bucket_to, l.fence;

-- name: take
-- Takes free or lapsed leases of a work under a new fence; those in somebody's hands are passed by.
-- scope: buckets
update leases l
set holder = :holder::uuid, fence = l.fence + 1,
    until = clock_timestamp() + make_interval(secs => :ttl_s::double precision)
from (
    select f.work, f.bucket_from
    from leases f
    where f.work = :work and f.until <= clock_timestamp()
    order by f.bucket_from
    limit :limit
    for update of f skip locked
) as free
where l.work = free.work and l.bucket_from = free.bucket_from
returning l.work, l.bucket_from, l.bucket_to, l.fence;

-- name: release
-- Gives leases back at once.
-- scope: buckets
update leases l
set until = '-infinity', holder = null
from (
    select own.work, own.bucket_from
    from unnest(:works::text[], :bucket_froms::integer[], :fences::bigint[])
        as k (work, bucket_from, fence)
    join leases own on own.work = k.work and own.bucket_from = k.bucket_from
    where own.holder = :holder::uuid and own.fence = k.fence
    order by own.work, own.bucket_from
    for update of own
) as mine
where l.work = mine.work and l.bucket_from = mine.bucket_from
returning l.bucket_from;

-- name: count_living
-- How many leases of a work are in somebody's hands.
-- scope: buckets
select count(*) as living
from leases l
where l.work = :work and l.until > clock_timestamp();
