-- Receipts name their device and customer by small numbers: with the addresses in the key, storing takes times as long.
CREATE TABLE devices (
  id INTEGER PRIMARY KEY,
  address BLOB NOT NULL UNIQUE
);

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  address BLOB NOT NULL UNIQUE
);

-- The heads. `arrival` rises with each that is set: one that gives way leaves, and its successor is another row. `signed` is the receipt with both signatures, packed as in the bundle; the columns before it repeat its key.
CREATE TABLE receipts (
  arrival INTEGER PRIMARY KEY,
  device BIGINT NOT NULL REFERENCES devices (id),
  customer BIGINT NOT NULL REFERENCES customers (id),
  epoch BIGINT NOT NULL,
  signed BLOB NOT NULL,
  digest BLOB NOT NULL,
  UNIQUE (epoch, device, customer)
);
