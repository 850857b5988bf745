-- Fields of an event that its client left out: 1 type, 2 object, 4 info.

-- +goose Up
ALTER TABLE event ADD COLUMN absent INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE event DROP COLUMN absent;
