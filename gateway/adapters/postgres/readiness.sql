-- name: shard
-- What a connection of the application finds: who it is, how the server keeps what is committed,
-- whose shard this is, and whether the role could change what must never change.
-- scope: directory
select
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_standby_names') as standby_names,
    pg_is_in_recovery() as in_recovery,
    current_setting('server_version_num')::integer as server_version,
    i.installation_id, i.shard, i.epoch,
    (select r.rolsuper from pg_roles r where r.rolname = current_user) as is_superuser,
    exists (
        select from pg_class c
        join pg_roles r on r.oid = c.relowner
        where r.rolname = current_user and c.relnamespace = 'public'::regnamespace
    ) as owns_tables,
    has_table_privilege('postings', 'update, delete, truncate')
        or has_table_privilege('entries', 'update, delete, truncate')
        or has_table_privilege('journal', 'update, delete, truncate') as may_rewrite,
    (select array_agg(m.scope || ' ' || m.number || ' ' || m.checksum order by m.scope, m.number)
     from migrations m) as migrations
from shard_identity i;
