-- Bytes that the files of a cell may take (0: no limit) and take.

-- +goose Up
ALTER TABLE cell ADD COLUMN quota INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cell ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
UPDATE cell SET used = (SELECT coalesce(sum(size), 0) FROM node WHERE node.cell = cell.id);

-- +goose Down
ALTER TABLE cell DROP COLUMN used;
ALTER TABLE cell DROP COLUMN quota;
