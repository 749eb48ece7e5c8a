-- The directory: who takes part, and where everything of a merchant lies.
-- Every change of it allots a new version under the lock of the one row of `directory_state`.

create table directory_state (
    singleton boolean primary key default true check (singleton),
    installation_id uuid not null,
    version bigint not null default 1,
    mode text not null check (mode in ('sandbox', 'live')),
    created_at timestamptz not null
);

create table installation_keys (
    purpose text collate "C" not null,
    number integer not null,
    sealed bytea not null,
    created_at timestamptz not null,
    primary key (purpose, number)
);

create table shard_map (
    bucket_from integer primary key check (bucket_from between 0 and 4095),
    bucket_to integer not null check (bucket_to between bucket_from and 4095),
    shard integer not null check (shard >= 0),
    directory_version bigint not null
);

-- `ref` is the operator's own number of a creating request, unique for ever; one that begins with
-- `~` was made from the request itself
create table merchants (
    merchant_id uuid primary key,
    ref text collate "C" not null unique,
    fingerprint bytea not null,
    fingerprint_key integer not null,
    name text not null,
    status text not null check (status in ('active', 'suspended')),
    house boolean not null,
    sandbox boolean not null,
    timezone text not null,
    data_key bytea not null,
    created_at timestamptz not null,
    version bigint not null,
    directory_version bigint not null
);
create unique index merchants_one_house on merchants (house) where house;
create unique index merchants_one_sandbox on merchants (sandbox) where sandbox;
create index merchants_by_directory_version on merchants (directory_version);

-- `material` is sealed: the HMAC secret, or the public key (so that nobody can put in another)
create table keys (
    key_id uuid primary key,
    merchant_id uuid not null references merchants,
    ref text collate "C" not null,
    fingerprint bytea not null,
    fingerprint_key integer not null,
    algorithm text not null check (algorithm in ('hmac-sha256', 'ed25519', 'rsa2048')),
    material bytea not null,
    public_digest bytea unique,
    scopes text[] not null,
    ip_allow text[] not null,
    status text not null check (status in ('active', 'revoked')),
    expires_at timestamptz,
    created_at timestamptz not null,
    version bigint not null,
    directory_version bigint not null,
    unique (merchant_id, ref)
);
create index keys_by_directory_version on keys (directory_version);

create table channel_accounts (
    channel_account_id uuid primary key,
    merchant_id uuid not null references merchants,
    ref text collate "C" not null,
    fingerprint bytea not null,
    fingerprint_key integer not null,
    channel text not null,
    methods text[] not null,
    credentials bytea not null,
    weight integer not null check (weight between 0 and 1000000),
    priority integer not null,
    status text not null check (status in ('active', 'disabled')),
    created_at timestamptz not null,
    version bigint not null,
    directory_version bigint not null,
    unique (merchant_id, ref)
);
create index channel_accounts_by_directory_version on channel_accounts (directory_version);

grant select on directory_state, installation_keys, shard_map to tillgate_app;
grant update (version) on directory_state to tillgate_app;
grant select, insert on merchants, keys, channel_accounts to tillgate_app;
grant update (name, status, timezone, version, directory_version) on merchants to tillgate_app;
grant update (status, version, directory_version) on keys to tillgate_app;
grant update (methods, credentials, weight, priority, status, version, directory_version)
    on channel_accounts to tillgate_app;
grant select on directory_state, shard_map to tillgate_read;
grant select (merchant_id, ref, name, status, house, sandbox, timezone, created_at, version)
    on merchants to tillgate_read;
grant select (key_id, merchant_id, algorithm, scopes, ip_allow, status, expires_at, created_at)
    on keys to tillgate_read;
grant select (channel_account_id, merchant_id, channel, methods, weight, priority, status)
    on channel_accounts to tillgate_read;
