package dav_test

import (
	"context"
	"sync/atomic"
	"time"

	"cellar/cellfs"
)

// countingViews counts the transactions that read a store, and the calls that a
// lookup or a listing makes in them.
type countingViews struct {
	cellfs.Meta
	views, calls atomic.Int64
}

func (c *countingViews) View(ctx context.Context, fn func(cellfs.Tx) error) error {
	c.views.Add(1)
	return c.Meta.View(ctx, func(tx cellfs.Tx) error { return fn(countingTx{tx, &c.calls}) })
}

type countingTx struct {
	cellfs.Tx
	calls *atomic.Int64
}

func (t countingTx) Cell(name string) (cellfs.Cell, error) {
	t.calls.Add(1)
	return t.Tx.Cell(name)
}

func (t countingTx) Node(id int64) (cellfs.Node, error) {
	t.calls.Add(1)
	return t.Tx.Node(id)
}

func (t countingTx) Child(parent int64, name string) (cellfs.Node, error) {
	t.calls.Add(1)
	return t.Tx.Child(parent, name)
}

func (t countingTx) Children(parent int64, p cellfs.Page) ([]cellfs.Node, bool, error) {
	t.calls.Add(1)
	return t.Tx.Children(parent, p)
}

func (t countingTx) Blob(id int64) (cellfs.Blob, error) {
	t.calls.Add(1)
	return t.Tx.Blob(id)
}

func (t countingTx) LocksAbove(p cellfs.Path, d cellfs.LockDetail, now time.Time) ([]cellfs.Lock, error) {
	t.calls.Add(1)
	return t.Tx.LocksAbove(p, d, now)
}

func (t countingTx) LocksBelow(p cellfs.Path, d cellfs.LockDetail, now time.Time, yield func(cellfs.Lock) error) error {
	t.calls.Add(1)
	return t.Tx.LocksBelow(p, d, now, yield)
}

// countingBlobs counts the contents that are opened.
type countingBlobs struct {
	cellfs.Blobs
	opened atomic.Int64
}

func (c *countingBlobs) Open(ctx context.Context, h cellfs.Hash) (cellfs.Content, error) {
	c.opened.Add(1)
	return c.Blobs.Open(ctx, h)
}
