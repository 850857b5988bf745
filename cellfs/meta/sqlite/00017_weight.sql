-- What a node counts for the quota of its cell, in bytes: its content and its
-- properties. Cells and trees aside count their nodes. changed is when a member of a
-- collection last came, went or changed, in microseconds; NULL: none did.

-- +goose Up
ALTER TABLE node ADD COLUMN weight INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN changed INTEGER;
ALTER TABLE cell ADD COLUMN nodes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE aside ADD COLUMN nodes INTEGER NOT NULL DEFAULT 0;
-- As Node.Weight has it.
UPDATE node SET weight = size + coalesce((SELECT sum(octet_length(value ->> 'xml') + octet_length(value ->> 'ns') + octet_length(value ->> 'name')
    + octet_length(coalesce(value ->> 'lang', ''))) FROM json_each(props)), 0);
UPDATE cell SET nodes = s.nodes, used = s.weight FROM (
    SELECT cell, count(*) AS nodes, sum(weight) AS weight FROM node
    WHERE id NOT IN (
      WITH RECURSIVE tree (id) AS (SELECT root FROM aside UNION ALL SELECT n.id FROM node n JOIN tree ON n.parent = tree.id) SELECT id FROM tree)
    GROUP BY cell) s
  WHERE s.cell = cell.id;
UPDATE aside SET (nodes, bytes) = (
    WITH RECURSIVE tree (id, weight) AS (
      SELECT id, weight FROM node WHERE id = aside.root UNION ALL SELECT n.id, n.weight FROM node n JOIN tree ON n.parent = tree.id)
    SELECT count(*), coalesce(sum(weight), 0) FROM tree);

-- +goose Down
ALTER TABLE aside DROP COLUMN nodes;
ALTER TABLE cell DROP COLUMN nodes;
ALTER TABLE node DROP COLUMN changed;
ALTER TABLE node DROP COLUMN weight;
