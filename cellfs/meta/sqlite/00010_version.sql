-- How often a control object was changed, for its entity tag.

-- +goose Up
ALTER TABLE entity ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE entity DROP COLUMN version;
