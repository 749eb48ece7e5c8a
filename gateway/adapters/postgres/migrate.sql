-- name: make_history
-- What was applied to this database; the directory's database has rows of both scopes.
-- scope: owner
create table if not exists migrations (
    scope text collate "C" not null,
    number integer not null,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null,
    primary key (scope, number)
);

-- name: guard
-- Held to the end of a step's transaction, so that two runners take turns.
-- scope: owner
lock table migrations in exclusive mode;

-- name: history
-- What was applied of one scope.
-- scope: owner
select m.number, m.name, m.checksum from migrations m where m.scope = :scope order by m.number;

-- name: record
-- One more step applied.
-- scope: owner
insert into migrations (scope, number, name, checksum, applied_at)
values (:scope, :number::integer, :name, :checksum, :applied_at::timestamptz);

-- name: server
-- What kind of server this is.
-- scope: owner
select current_setting('server_version_num')::integer as version, pg_is_in_recovery() as standby,
    pg_encoding_to_char(d.encoding) as encoding, current_user as login,
    to_regclass('directory_state') is not null as has_directory,
    to_regclass('shard_identity') is not null as has_shard
from pg_database d
where d.datname = current_database();

-- name: identity
-- Whose shard this is, if it is one.
-- scope: owner
select i.installation_id, i.shard from shard_identity i;

-- name: set_identity
-- Says whose shard this is, once.
-- scope: owner
insert into shard_identity (singleton, installation_id, shard)
values (true, :installation_id::uuid, :shard::integer)
on conflict do nothing;

-- name: grant_history
-- Lets the readers see how far the schema has come.
-- scope: owner
grant select on migrations to tillgate_app, tillgate_read;

-- name: seed_leases
-- The lease rows of background work; present ones stay as they are.
-- scope: owner
insert into leases (work, bucket_from, bucket_to)
select * from unnest(:work::text[], :bucket_from::integer[], :bucket_to::integer[])
on conflict do nothing;

-- name: state
-- The installation, if it was made before.
-- scope: owner
select s.installation_id, s.version, s.mode from directory_state s;

-- name: make_state
-- A new installation.
-- scope: owner
insert into directory_state (singleton, installation_id, version, mode, created_at)
values (true, :installation_id::uuid, 1, :mode, :created_at::timestamptz);

-- name: installation_keys
-- The keys of the installation, sealed.
-- scope: owner
select k.purpose, k.number, k.sealed from installation_keys k order by k.purpose, k.number;

-- name: add_installation_key
-- One more key of the installation.
-- scope: owner
insert into installation_keys (purpose, number, sealed, created_at)
values (:purpose, :number::integer, :sealed::bytea, :created_at::timestamptz);

-- name: shard_map
-- Which buckets lie where.
-- scope: owner
select m.bucket_from, m.bucket_to, m.shard from shard_map m order by m.bucket_from;

-- name: add_shard_map
-- The first map.
-- scope: owner
insert into shard_map (bucket_from, bucket_to, shard, directory_version)
select r.bucket_from, r.bucket_to, r.shard, 1
from unnest(:bucket_from::integer[], :bucket_to::integer[], :shard::integer[])
    as r (bucket_from, bucket_to, shard);

-- name: roles
-- Which of some roles exist, and whether this login may take them on.
-- scope: owner
select r.name, a.rolname is not null as present,
    coalesce(
        case when current_setting('server_version_num')::integer >= 160000
            then pg_has_role(current_user, a.oid, 'set')
            else pg_has_role(current_user, a.oid, 'member') end,
        false) as may_be_taken
from unnest(:names::text[]) as r (name)
left join pg_roles a on a.rolname = r.name;

-- name: role_texts
-- The texts that make a login and put it into the reading role, quoted by the server.
-- scope: owner
select format('create role %I login password %L', :name::text, :verifier::text) as make,
    format('grant tillgate_read to %I', :name::text) as admit;
