-- Who did something is kept under the scheme of the cell or of the unit, and shown as their
-- URLs: those of the unit are counted like those of the cell.

-- +goose Up
ALTER TABLE cell ADD COLUMN logunits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logarchive ADD COLUMN units INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE logarchive DROP COLUMN units;
ALTER TABLE cell DROP COLUMN logunits;
