package cellfs

import (
	"context"
	"time"
)

// Document is a file as [NodeReader.Documents] reads it: as little as a query needs.
type Document struct {
	ID                int64
	Name              string
	Version           int64
	Created, Modified time.Time
	Blob              int64
	Ref
	Data  []byte // the content; nil if it lies in [Blobs]
	Value []byte // in the index by which it was found; nil if it was not
}

// Index finds the documents of a collection by a value that each has: that of a property. Whoever
// changes documents keeps the rows, in the same transaction; the store does not know what is in a
// document. An index is built piece by piece; until it is complete it has the documents with keys up
// to and with Through.
type Index struct {
	ID       int64
	Node     int64 // the collection
	Property string
	Through  string
	Complete bool
}

// Has reports whether the index has a row for the document with that name.
func (x *Index) Has(name string) bool { return x.Complete || Key(name) <= x.Through }

// IndexRow is the value of a document in an index.
type IndexRow struct {
	Value []byte // compared byte by byte
	Name  string // of the document
}

// IndexRange is a part of an index: the values from From up to, but not with, To. A nil To has no end.
type IndexRange struct {
	From, To []byte
	Down     bool // the last one first
}

// IndexReader reads indexes of user data.
type IndexReader interface {
	// Indexes lists the indexes of a collection in the order of their ids.
	Indexes(node int64) ([]Index, error)
	// CountIndexed counts the rows of a range, up to limit.
	CountIndexed(id int64, r IndexRange, limit int) (int, error)
	// IndexedDocuments is [NodeReader.Documents] for the documents of a range of an index, in the order of
	// its values, and those with equal values in the order of their keys.
	IndexedDocuments(x *Index, r IndexRange, yield func(*Document) error) error
}

// IndexWriter changes indexes of user data.
type IndexWriter interface {
	// AddIndex begins an index and fills in its id.
	AddIndex(x *Index) error
	// SetIndex notes how far an index has come.
	SetIndex(x Index) error
	// DropIndex gives an index up. Its rows are removed by [IndexWriter.PurgeIndexes].
	DropIndex(id int64) error
	AddIndexRows(id int64, rows ...IndexRow) error
	// DeleteIndexRow removes a row; it is no error if there is none.
	DeleteIndexRow(id int64, row IndexRow) error
	// PurgeIndexes removes at most limit rows of indexes that were given up or whose collection is gone,
	// and returns how many; fewer than limit are all.
	PurgeIndexes(limit int) (int64, error)
}

// purgeIndexes removes what is left of indexes, page by page.
func (f *FS) purgeIndexes(ctx context.Context) error {
	return f.purge(ctx, func(tx Tx) (int64, error) { return tx.PurgeIndexes(sweepPage) })
}

// indexes compares how many rows the complete indexes of a collection have with its documents.
func (c *checker) indexes(tx Tx, n *Node, documents int) error {
	all, err := tx.Indexes(n.ID)
	for i := range all {
		if !all[i].Complete {
			continue
		}
		rows, err := tx.CountIndexed(all[i].ID, IndexRange{}, documents+1)
		if err != nil {
			return err
		}
		if rows != documents {
			c.problem("collection %d: its index by %q has %d rows for %d documents", n.ID, all[i].Property, rows, documents)
		}
	}
	return err
}
