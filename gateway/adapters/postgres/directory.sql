-- name: state
-- The installation and the version of its directory.
-- scope: directory
select s.installation_id, s.version, s.mode from directory_state s;

-- name: lock
-- Locks the directory for one change. It writes the row as it is, so that an answer that changes
-- nothing has waited for replication, too.
-- scope: directory
update directory_state set version = version where singleton returning version;

-- name: count
-- Allots the version under which the change is written; the row is held.
-- scope: directory
update directory_state set version = :version::bigint where singleton returning 1;

-- name: make_head
-- The head of a new merchant, made before its row in the directory.
insert into heads (merchant_id, bucket) values (:merchant_id::uuid, :bucket::integer)
on conflict do nothing;

-- name: installation_keys
-- The keys of the installation, sealed.
-- scope: directory
select k.purpose, k.number, k.sealed from installation_keys k;

-- name: shard_map
-- Which buckets lie where.
-- scope: directory
select m.bucket_from, m.bucket_to, m.shard from shard_map m order by m.bucket_from;

-- name: house
-- The merchant that owns the installation.
-- scope: directory
select m.merchant_id from merchants m where m.house;

-- name: sandbox
-- The merchant that a sandbox made for itself.
-- scope: directory
select m.merchant_id from merchants m where m.sandbox;

-- name: find_merchant
-- A merchant, with the directory's version as of this look.
-- scope: directory
select s.version as as_of, m.merchant_id, m.ref, m.name, m.status, m.house, m.sandbox,
    m.timezone, m.created_at, m.version, m.data_key
from directory_state s
left join merchants m on m.merchant_id = :merchant_id::uuid;

-- name: find_key
-- A key and its merchant, with the directory's version as of this look.
-- scope: directory
select s.version as as_of, k.key_id, k.merchant_id, k.ref, k.algorithm, k.material, k.scopes,
    k.ip_allow, k.status, k.expires_at, k.created_at, k.version, m.data_key
from directory_state s
left join keys k on k.key_id = :key_id::uuid
left join merchants m on m.merchant_id = k.merchant_id;

-- name: find_account
-- A channel account, with the directory's version as of this look.
-- scope: directory
select s.version as as_of, a.channel_account_id, a.merchant_id, a.ref, a.channel, a.methods,
    a.credentials, a.weight, a.priority, a.status, a.created_at, a.version, m.data_key
from directory_state s
left join channel_accounts a on a.channel_account_id = :channel_account_id::uuid
left join merchants m on m.merchant_id = a.merchant_id;

-- name: find_accounts_of
-- The channel accounts of a merchant, with the directory's version as of this look.
-- scope: directory
select s.version as as_of, a.channel_account_id, a.merchant_id, a.ref, a.channel, a.methods,
    a.credentials, a.weight, a.priority, a.status, a.created_at, a.version, m.data_key
from directory_state s
join merchants m on m.merchant_id = :merchant_id::uuid
left join channel_accounts a on a.merchant_id = m.merchant_id
order by a.channel_account_id;

-- name: changed_merchants
-- The merchants that were written after a version of the directory; the newest ones are enough to
-- start with.
-- scope: directory
select m.merchant_id, m.ref, m.name, m.status, m.house, m.sandbox, m.timezone, m.created_at,
    m.version, m.data_key
from merchants m
where m.directory_version > :after::bigint
order by m.directory_version desc
limit :limit;

-- name: changed_keys
-- The keys that were written after a version of the directory.
-- scope: directory
select k.key_id, k.merchant_id, k.ref, k.algorithm, k.material, k.scopes, k.ip_allow, k.status,
    k.expires_at, k.created_at, k.version, m.data_key
from keys k
join merchants m on m.merchant_id = k.merchant_id
where k.directory_version > :after::bigint
order by k.directory_version desc
limit :limit;

-- name: changed_accounts
-- The channel accounts that were written after a version of the directory.
-- scope: directory
select a.channel_account_id, a.merchant_id, a.ref, a.channel, a.methods, a.credentials, a.weight,
    a.priority, a.status, a.created_at, a.version, m.data_key
from channel_accounts a
join merchants m on m.merchant_id = a.merchant_id
where a.directory_version > :after::bigint
order by a.directory_version desc
limit :limit;

-- name: list_merchants
-- A page of merchants, newest first.
-- scope: directory
select m.merchant_id, m.ref, m.name, m.status, m.house, m.sandbox, m.timezone, m.created_at,
    m.version, m.data_key
from merchants m
where :before::uuid is null or m.merchant_id < :before
order by m.merchant_id desc
limit :limit;

-- name: list_keys
-- A page of the keys of a merchant, newest first.
-- scope: directory
select k.key_id, k.merchant_id, k.ref, k.algorithm, k.material, k.scopes, k.ip_allow, k.status,
    k.expires_at, k.created_at, k.version, m.data_key
from keys k
join merchants m on m.merchant_id = k.merchant_id
where k.merchant_id = :merchant_id::uuid and (:before::uuid is null or k.key_id < :before)
order by k.key_id desc
limit :limit;

-- name: count_active_keys
-- How many keys of an algorithm a merchant has that are not revoked.
-- scope: directory
select count(*) from keys k
where k.merchant_id = :merchant_id::uuid and k.algorithm = :algorithm and k.status = 'active';

-- name: list_accounts
-- All channel accounts of a merchant, newest first.
-- scope: directory
select a.channel_account_id, a.merchant_id, a.ref, a.channel, a.methods, a.credentials, a.weight,
    a.priority, a.status, a.created_at, a.version, m.data_key
from channel_accounts a
join merchants m on m.merchant_id = a.merchant_id
where a.merchant_id = :merchant_id::uuid
order by a.channel_account_id desc;

-- name: merchant_of_ref
-- The merchant that was made under a number, with what it was made of.
-- scope: directory
select m.merchant_id as id, m.fingerprint, m.fingerprint_key from merchants m where m.ref = :ref;

-- name: key_of_ref
-- The merchant's key that was made under a number, with what it was made of.
-- scope: directory
select k.key_id as id, k.fingerprint, k.fingerprint_key from keys k
where k.merchant_id = :merchant_id::uuid and k.ref = :ref;

-- name: account_of_ref
-- The merchant's channel account that was made under a number, with what it was made of.
-- scope: directory
select a.channel_account_id as id, a.fingerprint, a.fingerprint_key from channel_accounts a
where a.merchant_id = :merchant_id::uuid and a.ref = :ref;

-- name: key_of_digest
-- The key that holds a public key.
-- scope: directory
select k.key_id from keys k where k.public_digest = :public_digest::bytea;

-- name: add_merchant
-- A new merchant.
-- scope: directory
insert into merchants (
    merchant_id, ref, fingerprint, fingerprint_key, name, status, house, sandbox, timezone,
    data_key, created_at, version, directory_version)
values (
    :merchant_id::uuid, :ref, :fingerprint::bytea, :fingerprint_key::integer, :name, :status,
    :house::boolean, :sandbox::boolean, :timezone, :data_key::bytea, :created_at::timestamptz,
    :version::bigint, :directory_version::bigint);

-- name: add_key
-- A new key.
-- scope: directory
insert into keys (
    key_id, merchant_id, ref, fingerprint, fingerprint_key, algorithm, material, public_digest,
    scopes, ip_allow, status, expires_at, created_at, version, directory_version)
values (
    :key_id::uuid, :merchant_id::uuid, :ref, :fingerprint::bytea, :fingerprint_key::integer,
    :algorithm, :material::bytea, :public_digest::bytea, :scopes::text[], :ip_allow::text[],
    :status, :expires_at::timestamptz, :created_at::timestamptz, :version::bigint,
    :directory_version::bigint);

-- name: add_account
-- A new channel account.
-- scope: directory
insert into channel_accounts (
    channel_account_id, merchant_id, ref, fingerprint, fingerprint_key, channel, methods,
    credentials, weight, priority, status, created_at, version, directory_version)
values (
    :channel_account_id::uuid, :merchant_id::uuid, :ref, :fingerprint::bytea,
    :fingerprint_key::integer, :channel, :methods::text[], :credentials::bytea,
    :weight::integer, :priority::integer, :status, :created_at::timestamptz, :version::bigint,
    :directory_version::bigint);

-- name: set_merchant_status
-- A merchant's new status, where its version is the one that was read.
-- scope: directory
update merchants m set
    status = :status, version = :version::bigint, directory_version = :directory_version::bigint
where m.merchant_id = :merchant_id::uuid and m.version = :version - 1
returning 1;

-- name: set_key_status
-- A key's new status, where its version is the one that was read.
-- scope: directory
update keys k set
    status = :status, version = :version::bigint, directory_version = :directory_version::bigint
where k.key_id = :key_id::uuid and k.version = :version - 1
returning 1;
