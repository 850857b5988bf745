-- The second since 1970 from which on a date that was told of a name can only belong to
-- what has it now; NULL: it came with the collection above. Of what is older than this
-- column no date says anything.

-- +goose Up
ALTER TABLE node ADD COLUMN dates INTEGER;

-- +goose Down
ALTER TABLE node DROP COLUMN dates;
