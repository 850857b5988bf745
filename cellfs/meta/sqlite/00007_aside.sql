-- Trees that no cell shows: those an import builds, and those it replaced, which
-- are removed piece by piece. Their control objects have the negative id of the job
-- as their cell.

-- +goose Up
CREATE TABLE aside (
  root   INTEGER PRIMARY KEY,          -- node.id
  cell   INTEGER NOT NULL,
  job    INTEGER NOT NULL,             -- job.id; 0 when it is to be removed
  bytes  INTEGER NOT NULL              -- of the files in it
) STRICT;

-- +goose Down
DROP TABLE aside;
