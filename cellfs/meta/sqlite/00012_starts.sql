-- How often a job was started at its step, and snapshots that are taken away at once.

-- +goose Up
ALTER TABLE job ADD COLUMN starts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN passing INTEGER NOT NULL DEFAULT 0;      -- 0 or 1
ALTER TABLE snapshot ADD COLUMN passing INTEGER NOT NULL DEFAULT 0; -- 0 or 1

-- +goose Down
ALTER TABLE snapshot DROP COLUMN passing;
ALTER TABLE job DROP COLUMN passing;
ALTER TABLE job DROP COLUMN starts;
