-- The tree, its control objects, logs and jobs. Times are UTC microseconds since 1970,
-- sizes are bytes, flags are 0 or 1.

-- +goose Up
-- All is one statement for goose, which would look for an end in each line otherwise.
-- +goose StatementBegin
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cell (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  name     TEXT    NOT NULL UNIQUE,
  owner    TEXT    NOT NULL,
  root     INTEGER NOT NULL,           -- node.id; what an import switches
  gen      INTEGER NOT NULL,           -- grows with every change of the tree
  created  INTEGER NOT NULL,
  quota    INTEGER NOT NULL,           -- how many bytes its nodes may count; 0: any number
  used     INTEGER NOT NULL,           -- what they count: the sum of node.weight
  nodes    INTEGER NOT NULL,           -- how many there are
  keep     INTEGER NOT NULL,           -- how many finished snapshots are kept; 0: all
  logfrom  INTEGER NOT NULL DEFAULT 0, -- event.id before the current log
  logbytes INTEGER NOT NULL DEFAULT 0, -- of the current log, without the URLs of cell and unit
  logurls  INTEGER NOT NULL DEFAULT 0, -- how often the URL of the cell stands in it
  logunits INTEGER NOT NULL DEFAULT 0  -- how often that of the unit
) STRICT;

-- Clustered by parent: a listing is one range, a lookup one descent. What can be long
-- comes last, so that nothing else lies on the overflow pages of its row.
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
  weight   INTEGER NOT NULL,           -- what it counts for the quota: content and properties
  version  INTEGER NOT NULL,           -- cell.gen when the content was written
  created  INTEGER NOT NULL,
  modified INTEGER NOT NULL,           -- of the content; the entity tag changes with it
  mtime    INTEGER,                    -- modification time given by the client; NULL: that of the content
  changed  INTEGER,                    -- when a member last came, went or changed; NULL: none did
  dates    INTEGER,                    -- the second from which on a date told of this name belongs to
                                       -- what has it now; NULL: it came with the collection above
  height   INTEGER NOT NULL,           -- of a collection: at least how many levels lie below
  authz    TEXT,                       -- what its ACL asks of applications; NULL: nothing
  schema   TEXT,                       -- boxes only: schema URL
  acl      TEXT,                       -- JSON; NULL for none of its own
  props    TEXT,                       -- JSON list of dead properties; NULL for none
  PRIMARY KEY (parent, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX node_id ON node (id);
CREATE INDEX node_blob ON node (blob) WHERE blob IS NOT NULL;
CREATE UNIQUE INDEX node_schema ON node (cell, schema) WHERE schema IS NOT NULL;
CREATE INDEX node_authz ON node (cell, authz) WHERE authz IS NOT NULL;

-- Trees that no cell shows: those an import or a COPY builds, and those that were removed,
-- which go piece by piece. Control objects of an import have the negative id of its job
-- as their cell. The root of a tree that was removed belongs to no cell: its cell is 0.
CREATE TABLE aside (
  root   INTEGER PRIMARY KEY,          -- node.id
  cell   INTEGER NOT NULL,
  job    INTEGER NOT NULL,             -- job.id; -1 of a COPY; 0 when it is to be removed
  nodes  INTEGER NOT NULL,             -- in it
  bytes  INTEGER NOT NULL,             -- what they count
  counts INTEGER NOT NULL              -- the cell still counts them, but nobody knows yet how much
) STRICT;

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

-- Locks (RFC 4918, 6).
CREATE TABLE lock (
  path      TEXT    NOT NULL,          -- of the root, names in NFC: /cell/box/…
  token     TEXT    NOT NULL UNIQUE,   -- urn:uuid:…
  shared    INTEGER NOT NULL,
  infinite  INTEGER NOT NULL,          -- its depth
  root      TEXT    NOT NULL,          -- path of the root as it was sent; ends in / if it is a collection
  owner     TEXT    NOT NULL,          -- XML as the client gave it
  principal TEXT    NOT NULL,          -- who took it
  timeout   INTEGER NOT NULL,          -- seconds
  expires   INTEGER NOT NULL,
  PRIMARY KEY (path, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_principal ON lock (principal, expires); -- to count them
-- What a change asks of locks, without the owners: these make most of the table.
CREATE INDEX lock_plain ON lock (path, token, shared, infinite, root, principal, expires);

CREATE TABLE entity (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  cell    INTEGER NOT NULL,
  box     INTEGER NOT NULL,            -- node.id; 0 for none
  kind    TEXT    NOT NULL,            -- Account, Role …
  key     TEXT    NOT NULL,
  doc     TEXT    NOT NULL,            -- JSON
  hidden  TEXT,                        -- JSON that no client sees; NULL for nothing
  version INTEGER NOT NULL DEFAULT 1,  -- how often it was changed, for its entity tag
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
CREATE INDEX link_to ON link (node, cell, to_set, to_key); -- links are followed from both ends

-- Indexes of the documents of user data by a property. They are derived: without one, queries are slower.
CREATE TABLE docindex (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  node     INTEGER NOT NULL,           -- the collection of the documents; 0: it is to be removed
  property TEXT    NOT NULL,
  through  TEXT    NOT NULL,           -- it has the documents with keys up to this one
  complete INTEGER NOT NULL            -- it has all of them
) STRICT;
CREATE UNIQUE INDEX docindex_node ON docindex (node, property) WHERE node <> 0;

CREATE TABLE docvalue (
  docindex INTEGER NOT NULL,
  value    BLOB    NOT NULL,           -- its order is that of the values
  key      TEXT    NOT NULL,           -- node.key of the document
  PRIMARY KEY (docindex, value, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  cell     INTEGER NOT NULL,
  time     INTEGER NOT NULL,
  reqkey   TEXT    NOT NULL,
  external INTEGER NOT NULL,
  schema   TEXT,                       -- NULL: none
  subject  TEXT,                       -- NULL: none
  type     TEXT    NOT NULL,
  object   TEXT    NOT NULL,
  info     TEXT    NOT NULL,
  absent   INTEGER NOT NULL DEFAULT 0  -- fields that the client left out: 1 type, 2 object, 4 info
) STRICT;
CREATE INDEX event_cell ON event (cell, id);

-- Closed parts of event logs.
CREATE TABLE logarchive (
  cell    INTEGER NOT NULL,
  closed  INTEGER NOT NULL,            -- when; whole milliseconds
  after   INTEGER NOT NULL,            -- its events have ids above this one
  last    INTEGER NOT NULL,            -- and up to this one
  bytes   INTEGER NOT NULL,            -- as text, without the URLs of cell and unit
  urls    INTEGER NOT NULL,            -- how often the URL of the cell stands in it
  units   INTEGER NOT NULL DEFAULT 0,  -- how often that of the unit
  PRIMARY KEY (cell, closed)
) STRICT, WITHOUT ROWID;

-- Events that are in no log any more and are being removed.
CREATE TABLE logpurge (
  cell  INTEGER NOT NULL,
  after INTEGER NOT NULL,              -- event.id, as above
  last  INTEGER NOT NULL,
  PRIMARY KEY (cell, after)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  cell    INTEGER NOT NULL,
  name    TEXT    NOT NULL,            -- with extension
  blob    INTEGER NOT NULL,            -- blob.id of the index (.zip) or of the JSON (.error)
  size    INTEGER NOT NULL,            -- of the file as served
  created INTEGER NOT NULL,
  passing INTEGER NOT NULL,            -- made for one download, which takes it away
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
  subject TEXT    NOT NULL,            -- who asked, as the event log names it; '' for nobody
  input   INTEGER,                     -- blob.id of the request's body; of an install that succeeded, and of
                                       -- an update that is made, of what it made of the box; NULL for none
  started INTEGER NOT NULL,
  ended   INTEGER NOT NULL,            -- 0 while it runs
  done    INTEGER NOT NULL,            -- entries
  total   INTEGER NOT NULL,
  step    INTEGER NOT NULL,            -- where a restart goes on
  starts  INTEGER NOT NULL,            -- how often it was started at its step
  passing INTEGER NOT NULL,            -- of the snapshot it makes
  code    TEXT    NOT NULL,
  message TEXT    NOT NULL
) STRICT;
CREATE INDEX job_target ON job (cell, target);
-- +goose StatementEnd
