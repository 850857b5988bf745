-- Locks are counted by who took them.

-- +goose Up
CREATE INDEX lock_principal ON lock (principal, expires);

-- +goose Down
DROP INDEX lock_principal;
