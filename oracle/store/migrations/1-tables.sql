-- What all engines have alike. To SQLite a type is a hint, and bytes are bytes whatever it says.

-- Both receipts packed as in the bundle, so that they can be shown as they are.
CREATE TABLE equivocations (
  device BYTEA NOT NULL,
  customer BYTEA NOT NULL,
  epoch BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  digest BYTEA NOT NULL,
  counting BYTEA NOT NULL,
  other BYTEA NOT NULL,
  PRIMARY KEY (epoch, device, customer, sequence, digest)
);

-- Amounts are big-endian at the width of their fields, because they may be wider than any SQL integer.
CREATE TABLE vouchers (
  arrival BIGINT NOT NULL UNIQUE,
  customer BYTEA NOT NULL,
  epoch BIGINT NOT NULL,
  amount BYTEA NOT NULL,
  signature BYTEA NOT NULL,
  PRIMARY KEY (customer, epoch)
);

-- One row at most: the arrival given last.
CREATE TABLE voucher_arrivals (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  last BIGINT NOT NULL
);

-- Where each stretch of this store's life begins in the order of arrival.
CREATE TABLE lives (
  id TEXT PRIMARY KEY,
  number BIGINT NOT NULL,
  receipts BIGINT NOT NULL,
  vouchers BIGINT NOT NULL
);

-- How far each peer's arrivals are read.
CREATE TABLE peer_cursors (
  peer TEXT NOT NULL,
  arrivals TEXT NOT NULL,
  position TEXT NOT NULL,
  PRIMARY KEY (peer, arrivals)
);

CREATE TABLE events (
  block_number BIGINT NOT NULL,
  log_index BIGINT NOT NULL,
  name TEXT NOT NULL,
  args TEXT NOT NULL,
  PRIMARY KEY (block_number, log_index)
);

-- One row at most: the last block whose events are stored.
CREATE TABLE event_cursor (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  number BIGINT NOT NULL,
  hash TEXT NOT NULL
);

CREATE TABLE epochs (
  epoch BIGINT PRIMARY KEY,
  state TEXT NOT NULL,
  seal_block_number BIGINT,
  seal_block_hash TEXT,
  bundle_hash TEXT,
  attempt BIGINT,
  signed_report TEXT,
  held_reason TEXT,
  held_from TEXT,
  held_by TEXT,
  released_attempt BIGINT
);

CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);

-- What this member has signed: never two digests for one attempt.
CREATE TABLE reports (
  epoch BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (epoch, attempt)
);

-- Of this epoch and those before it nothing is signed any more. 1: a person has said so; 2: this is a copy, of every epoch.
CREATE TABLE forgone (
  id BIGINT PRIMARY KEY CHECK (id IN (1, 2)),
  epoch BIGINT NOT NULL
);

CREATE TABLE transactions (
  sender TEXT NOT NULL,
  purpose TEXT NOT NULL,
  nonce BIGINT NOT NULL,
  -- 0 for the first of a nonce, then as they were saved.
  replacement BIGINT NOT NULL,
  raw TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  -- In wei, decimal; null where its gas may cost what --max-fee allows.
  brings TEXT,
  -- Null while its fate is not known.
  outcome TEXT,
  PRIMARY KEY (sender, nonce, replacement)
);

CREATE INDEX transactions_pending ON transactions (sender, nonce, replacement) WHERE outcome IS NULL;
