-- A modification time that the client gave; NULL: that of the content. It is
-- apart from node.modified because an entity tag must not change with it.

-- +goose Up
ALTER TABLE node ADD COLUMN mtime INTEGER;

-- +goose Down
ALTER TABLE node DROP COLUMN mtime;
