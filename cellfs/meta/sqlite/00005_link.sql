-- Links are followed from both ends.

-- +goose Up
CREATE INDEX link_to ON link (node, cell, to_set, to_key);

-- +goose Down
DROP INDEX link_to;
