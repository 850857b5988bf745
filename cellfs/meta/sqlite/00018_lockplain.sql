-- What a change asks of locks, without the owners: these make most of the table.

-- +goose Up
CREATE INDEX lock_plain ON lock (path, token, shared, infinite, root, principal, expires);

-- +goose Down
DROP INDEX lock_plain;
