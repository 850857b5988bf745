-- What no client sees of a control object, as JSON; NULL for nothing.

-- +goose Up
ALTER TABLE entity ADD COLUMN hidden TEXT;

-- +goose Down
ALTER TABLE entity DROP COLUMN hidden;
