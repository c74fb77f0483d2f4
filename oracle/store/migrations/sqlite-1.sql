-- Receipts name their device and customer by small numbers: with the addresses in the key, storing takes times as long.
CREATE TABLE devices (
  id INTEGER PRIMARY KEY,
  address BLOB NOT NULL UNIQUE
);

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  address BLOB NOT NULL UNIQUE
);

-- The heads. Amounts are big-endian at the width of their fields, because they may be wider than any SQL integer.
CREATE TABLE receipts (
  device BIGINT NOT NULL REFERENCES devices (id),
  customer BIGINT NOT NULL REFERENCES customers (id),
  epoch BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  egress_bytes BLOB NOT NULL,
  storage_byte_seconds BLOB NOT NULL,
  compute_milliseconds BLOB NOT NULL,
  digest BLOB NOT NULL,
  customer_signature BLOB NOT NULL,
  device_signature BLOB NOT NULL,
  PRIMARY KEY (epoch, device, customer)
);

-- Both receipts packed as in the bundle, so that they can be shown as they are.
CREATE TABLE equivocations (
  device BIGINT NOT NULL REFERENCES devices (id),
  customer BIGINT NOT NULL REFERENCES customers (id),
  epoch BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  digest BLOB NOT NULL,
  counting BLOB NOT NULL,
  other BLOB NOT NULL,
  PRIMARY KEY (epoch, device, customer, sequence, digest)
);

CREATE TABLE vouchers (
  customer BIGINT NOT NULL REFERENCES customers (id),
  epoch BIGINT NOT NULL,
  amount BLOB NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (customer, epoch)
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
  held_from TEXT
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

-- One row at most: of this epoch and those before it nothing is signed any more.
CREATE TABLE forgone (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL
);

CREATE TABLE transactions (
  id INTEGER PRIMARY KEY,
  sender TEXT NOT NULL,
  purpose TEXT NOT NULL,
  nonce BIGINT NOT NULL,
  raw TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  -- Null while its fate is not known.
  outcome TEXT
);

CREATE INDEX transactions_pending ON transactions (sender, nonce, id) WHERE outcome IS NULL;
