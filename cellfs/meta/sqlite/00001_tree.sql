-- The first schema. Times are UTC microseconds since 1970, sizes are bytes.

-- +goose Up
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cell (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  name    TEXT    NOT NULL UNIQUE,
  owner   TEXT    NOT NULL,
  root    INTEGER NOT NULL,            -- node.id; what an import switches
  gen     INTEGER NOT NULL,            -- grows with every change of the tree
  created INTEGER NOT NULL
) STRICT;

-- Clustered by parent: a listing is one range, a lookup one descent.
CREATE TABLE node (
  parent   INTEGER NOT NULL,           -- node.id; 0 for the root of a cell
  key      TEXT    NOT NULL,           -- name in NFC; for the root of a cell its id
  id       INTEGER NOT NULL,
  cell     INTEGER NOT NULL,
  name     TEXT    NOT NULL,           -- as sent
  kind     INTEGER NOT NULL,           -- cellfs.Kind
  ctype    TEXT    NOT NULL,           -- content type; '' for collections
  blob     INTEGER,                    -- blob.id; NULL for collections and empty files
  size     INTEGER NOT NULL,
  version  INTEGER NOT NULL,           -- cell.gen when the content was written
  created  INTEGER NOT NULL,
  modified INTEGER NOT NULL,           -- of the content
  schema   TEXT,                       -- boxes only: schema URL
  props    TEXT,                       -- JSON list of dead properties; NULL for none
  acl      TEXT,                       -- JSON; NULL for none of its own
  PRIMARY KEY (parent, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX node_id ON node (id);
CREATE INDEX node_blob ON node (blob) WHERE blob IS NOT NULL;
CREATE UNIQUE INDEX node_schema ON node (cell, schema) WHERE schema IS NOT NULL;

CREATE TABLE blob (
  id   INTEGER PRIMARY KEY AUTOINCREMENT,
  hash BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256
  size INTEGER NOT NULL,
  crc  INTEGER NOT NULL,               -- CRC-32, IEEE
  data BLOB                            -- the content if small; NULL: in the blob store
) STRICT;

-- Contents that lost a reference: the sweeper's work list.
CREATE TABLE orphan (
  blob  INTEGER PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT;

CREATE TABLE entity (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  cell    INTEGER NOT NULL,
  box     INTEGER NOT NULL,            -- node.id; 0 for none
  kind    TEXT    NOT NULL,            -- Account, Role …
  key     TEXT    NOT NULL,
  doc     TEXT    NOT NULL,            -- JSON
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  UNIQUE (cell, kind, key, box)
) STRICT;
CREATE INDEX entity_box ON entity (box) WHERE box <> 0;

CREATE TABLE link (
  cell     INTEGER NOT NULL,
  node     INTEGER NOT NULL,           -- the OData collection; 0 for control objects
  from_set TEXT    NOT NULL,
  from_key TEXT    NOT NULL,
  to_set   TEXT    NOT NULL,
  to_key   TEXT    NOT NULL,
  PRIMARY KEY (node, cell, from_set, from_key, to_set, to_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  cell     INTEGER NOT NULL,
  time     INTEGER NOT NULL,
  reqkey   TEXT    NOT NULL,
  external INTEGER NOT NULL,           -- 0 or 1
  schema   TEXT,                       -- NULL: none
  subject  TEXT,                       -- NULL: none
  type     TEXT    NOT NULL,
  object   TEXT    NOT NULL,
  info     TEXT    NOT NULL
) STRICT;
CREATE INDEX event_cell ON event (cell, id);

CREATE TABLE snapshot (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  cell    INTEGER NOT NULL,
  name    TEXT    NOT NULL,            -- with extension
  blob    INTEGER NOT NULL,            -- blob.id of the index (.zip) or of the JSON (.error)
  size    INTEGER NOT NULL,            -- of the file as served
  created INTEGER NOT NULL,
  UNIQUE (cell, name)
) STRICT;
CREATE INDEX snapshot_blob ON snapshot (blob);

CREATE TABLE job (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  kind    TEXT    NOT NULL,
  cell    INTEGER NOT NULL,
  target  INTEGER NOT NULL,            -- node.id of the box; 0 for the whole cell
  state   TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  reqkey  TEXT    NOT NULL,
  input   INTEGER,                     -- blob.id of the request's body; NULL for none
  started INTEGER NOT NULL,
  ended   INTEGER NOT NULL,            -- 0 while it runs
  done    INTEGER NOT NULL,            -- entries
  total   INTEGER NOT NULL,
  step    INTEGER NOT NULL,            -- where a restart goes on
  code    TEXT    NOT NULL,
  message TEXT    NOT NULL
) STRICT;

-- +goose Down
DROP TABLE job; DROP TABLE snapshot; DROP TABLE event; DROP TABLE link; DROP TABLE entity;
DROP TABLE orphan; DROP TABLE blob; DROP TABLE node; DROP TABLE cell; DROP TABLE setting;
