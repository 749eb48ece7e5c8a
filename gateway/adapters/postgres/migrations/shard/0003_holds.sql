-- Holds end when their channel says; an attempt knows whether money is held for it, how many codes
-- of its payer left, and when something that may have effect left last.

alter table payments add column capture_before timestamptz;
create index payments_by_capture_before on payments (capture_before)
    where status = 'requires_capture';
grant select (capture_before) on payments to tillgate_read;

alter table attempts
    add column held boolean not null default false,
    add column answers integer not null default 0 check (answers between 0 and 5),
    add column sent_at timestamptz;
