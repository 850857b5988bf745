-- What the ACL of a node asks of applications, beside it: a change of a tree looks for it
-- in all that lies below. NULL where it asks for nothing.

-- +goose Up
ALTER TABLE node ADD COLUMN authz TEXT;
UPDATE node SET authz = acl ->> 'requireSchemaAuthz' WHERE acl IS NOT NULL;
CREATE INDEX node_authz ON node (parent, authz) WHERE authz IS NOT NULL;

-- +goose Down
DROP INDEX node_authz;
ALTER TABLE node DROP COLUMN authz;
