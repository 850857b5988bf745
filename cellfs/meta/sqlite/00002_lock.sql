-- Locks (RFC 4918, 6). Times are UTC microseconds.

-- +goose Up
CREATE TABLE lock (
  path      TEXT    NOT NULL,          -- of the root, names in NFC: /cell/box/…
  token     TEXT    NOT NULL UNIQUE,   -- urn:uuid:…
  shared    INTEGER NOT NULL,          -- 0 or 1
  infinite  INTEGER NOT NULL,          -- depth: 0 or 1
  root      TEXT    NOT NULL,          -- path of the root as it was sent; ends in / if it is a collection
  owner     TEXT    NOT NULL,          -- XML as the client gave it
  principal TEXT    NOT NULL,          -- who took it
  timeout   INTEGER NOT NULL,          -- seconds
  expires   INTEGER NOT NULL,
  PRIMARY KEY (path, token)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE lock;
