-- Closed parts of event logs. Times are UTC microseconds, sizes bytes.

-- +goose Up
CREATE TABLE logarchive (
  cell    INTEGER NOT NULL,
  closed  INTEGER NOT NULL,            -- when; whole milliseconds
  after   INTEGER NOT NULL,            -- its events have ids above this one
  last    INTEGER NOT NULL,            -- and up to this one
  bytes   INTEGER NOT NULL,            -- as text, without the URLs of the cell
  urls    INTEGER NOT NULL,            -- how often the URL stands in it
  PRIMARY KEY (cell, closed)
) STRICT, WITHOUT ROWID;

-- Events that are in no log any more and are being removed.
CREATE TABLE logpurge (
  cell  INTEGER NOT NULL,
  after INTEGER NOT NULL,              -- event.id, as above
  last  INTEGER NOT NULL,
  PRIMARY KEY (cell, after)
) STRICT, WITHOUT ROWID;

ALTER TABLE cell ADD COLUMN logfrom  INTEGER NOT NULL DEFAULT 0; -- event.id before the current log
ALTER TABLE cell ADD COLUMN logbytes INTEGER NOT NULL DEFAULT 0; -- of the current log, as above
ALTER TABLE cell ADD COLUMN logurls  INTEGER NOT NULL DEFAULT 0;

-- A line is: time, level, and seven fields in quotes, quotes within doubled.
UPDATE cell SET logurls = coalesce((
    SELECT sum(length(object) - length(replace(object, 'personium-localcell:/', '')) + length(info) - length(replace(info, 'personium-localcell:/', '')))
    FROM event WHERE event.cell = cell.id), 0) / length('personium-localcell:/');
UPDATE cell SET logbytes = coalesce((
    SELECT sum(24 + 9 + 6 + 1
      + length(CAST(reqkey AS BLOB)) + 2 + length(reqkey) - length(replace(reqkey, '"', ''))
      + CASE external WHEN 1 THEN 6 ELSE 7 END
      + CASE WHEN schema IS NULL THEN 4 ELSE length(CAST(schema AS BLOB)) + 2 + length(schema) - length(replace(schema, '"', '')) END
      + CASE WHEN subject IS NULL THEN 4 ELSE length(CAST(subject AS BLOB)) + 2 + length(subject) - length(replace(subject, '"', '')) END
      + length(CAST(type AS BLOB)) + 2 + length(type) - length(replace(type, '"', ''))
      + length(CAST(object AS BLOB)) + 2 + length(object) - length(replace(object, '"', ''))
      + length(CAST(info AS BLOB)) + 2 + length(info) - length(replace(info, '"', '')))
    FROM event WHERE event.cell = cell.id), 0) - logurls * length('personium-localcell:/');

-- +goose Down
ALTER TABLE cell DROP COLUMN logurls;
ALTER TABLE cell DROP COLUMN logbytes;
ALTER TABLE cell DROP COLUMN logfrom;
DROP TABLE logpurge;
DROP TABLE logarchive;
