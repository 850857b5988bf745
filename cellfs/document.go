package cellfs

import "context"

// Documents of user data are files that follow a schema. File operations refuse to change them
// ([ErrInOData]); these do it, in the transaction of a caller who knows the schema.

// PutDocument gives the document of that name in a set the staged content, in the place of old; nil
// makes it. It returns [ErrQuota] and fs.ErrExist.
func (f *FS) PutDocument(tx Tx, set *Node, name, contentType string, s Staged, old *Node) (Node, error) {
	gen, err := tx.Touch(set.Cell, 0)
	if err != nil {
		return Node{}, err
	}
	now := f.now()
	n := Node{Cell: set.Cell, Parent: set.ID, Name: name, Kind: KindFile, Created: now}
	if old != nil {
		n = *old
	}
	n.Version, n.Modified, n.Size, n.ContentType = gen, now, s.Size, contentType
	if n.Blob, err = s.Add(tx); err != nil {
		return Node{}, err
	}
	return n, f.ReplaceMember(tx, set, old, &n)
}

// ReplaceMember makes n in the place of the member old of a collection; a nil old makes it, a nil n removes. The
// caller has touched the cell. It returns [ErrQuota] and fs.ErrExist.
func (f *FS) ReplaceMember(tx Tx, collection, old, n *Node) error {
	now := f.now()
	if err := f.membersChanged(tx, collection, now); err != nil {
		return err
	}
	if n == nil {
		return f.remove(tx, old, now)
	}
	n.DatesFrom = f.datesFrom(now, n.Cell, old)
	if old == nil {
		return AddMember(tx, collection, n)
	}
	return tx.SetNode(old, n, now)
}

// AddSet makes the collection of the entities of a type in an OData collection. It returns
// fs.ErrExist.
func (f *FS) AddSet(tx Tx, col *Node, name string) (Node, error) {
	gen, err := tx.Touch(col.Cell, 0)
	if err != nil {
		return Node{}, err
	}
	now := f.now()
	n := Node{Cell: col.Cell, Parent: col.ID, Name: name, Kind: KindCollection, Version: gen, Created: now, Modified: now}
	return n, f.ReplaceMember(tx, col, nil, &n)
}

// RemoveDocument removes a document from its set, or a set with all in it from its OData collection.
func (f *FS) RemoveDocument(tx Tx, parent, n *Node) error {
	if _, err := tx.Touch(n.Cell, 0); err != nil {
		return err
	}
	return f.ReplaceMember(tx, parent, n, nil)
}

// OpenDocument opens the content of a document that was read without it.
func (f *FS) OpenDocument(ctx context.Context, d *Document) (Content, error) {
	return f.open(ctx, Blob{ID: d.Blob, Ref: d.Ref, Data: d.Data})
}
