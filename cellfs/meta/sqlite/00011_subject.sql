-- Who asked for a job, as the event log names it; '' for nobody.

-- +goose Up
ALTER TABLE job ADD COLUMN subject TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE job DROP COLUMN subject;
