-- How many finished snapshots of a cell are kept (0: all).

-- +goose Up
ALTER TABLE cell ADD COLUMN keep INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE cell DROP COLUMN keep;
