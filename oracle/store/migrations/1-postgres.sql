-- The heads. `device` is the column to distribute by: every key has it, and every look-up names it.
-- `signed` is the receipt with both signatures, packed as in the bundle; the columns before it repeat its key.
CREATE TABLE receipts (
  arrival BIGINT NOT NULL,
  device BYTEA NOT NULL,
  customer BYTEA NOT NULL,
  epoch BIGINT NOT NULL,
  signed BYTEA NOT NULL,
  digest BYTEA NOT NULL,
  PRIMARY KEY (epoch, device, customer)
);

-- Rises with each head that is set: drawn and committed under one lock.
CREATE SEQUENCE receipt_arrivals;
CREATE INDEX receipts_by_arrival ON receipts (arrival, device);

-- Signatures do not compress: trying would take time from every write.
ALTER TABLE receipts ALTER COLUMN signed SET STORAGE EXTERNAL;
