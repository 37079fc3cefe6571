-- Accounts of the console and their sessions. Passwords are kept as scrypt hashes, session tokens as SHA-256.
create schema if not exists server;

create table server.account (
  name text primary key check (name ~ '^[a-z][a-z0-9._-]{0,62}$'),
  role text not null check (role in ('viewer', 'operator', 'admin')),
  -- scrypt$N$r$p$salt$hash, the last two in base64
  password text not null,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);

create table server.session (
  token_sha256 bytea primary key,
  account text not null references server.account (name) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index session_expires_at on server.session (expires_at);
