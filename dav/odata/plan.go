package odata

import (
	"bytes"
	"context"
	"io/fs"
	"slices"

	"cellar/cellfs"
)

const (
	// minIndexed is how many entities a query looks at before an index is worth its rows.
	minIndexed = 1000
	// MaxIndexes bounds the indexes of an entity type: each makes a change of an entity slower.
	MaxIndexes = 32
	// indexShare: an index is used if it leads to fewer than one in so many entities. To follow it costs
	// more for each of them than to read all in their order.
	indexShare = 4
)

// Missing is an index that would have helped a query. The zero value is none.
type Missing struct {
	Set      int64 // the collection of the entities
	Property string
}

// Missing is the index that would have helped to find the answer.
func (a *Answer) Missing() Missing { return a.missing }

// plan is how a page of a set is found.
type plan struct {
	index   *cellfs.Index // nil: by looking at each entity
	in      cellfs.IndexRange
	ordered bool   // the index has the order of the query
	most    int    // so many entities are looked at by the index
	missing string // a property by which an index would help; "" for none
}

// plan looks for the index that leads to the fewest entities, or one that has their order.
func (a *Answer) plan(tx cellfs.Tx, set cellfs.Node) (p plan, err error) {
	var bounds []bound
	if a.query.filter != nil {
		bounds = a.query.filter.bounds
	}
	if len(bounds) == 0 && len(a.query.order) == 0 {
		return p, nil
	}
	all, err := tx.Indexes(set.ID)
	if err != nil {
		return p, err
	}
	by := func(property string) *cellfs.Index {
		i := slices.IndexFunc(all, func(x cellfs.Index) bool { return x.Property == property })
		if i < 0 {
			if p.missing == "" && len(all) < MaxIndexes && indexable(a.schema, a.schema.EntityType(a.request.set), property) != "" {
				p.missing = property
			}
			return nil
		}
		if !all[i].Complete {
			p.missing = property // its making may have ended with the server
			return nil
		}
		return &all[i]
	}
	for _, b := range intersected(bounds) {
		x := by(b.property)
		if x == nil {
			continue
		}
		limit := maxByIndex
		if p.index != nil {
			limit = p.most
		}
		n, err := tx.CountIndexed(x.ID, b.in, limit)
		if err != nil {
			return p, err
		}
		if p.index == nil || n < p.most {
			p.index, p.in, p.most = x, b.in, n
		}
	}
	if p.index != nil {
		return p, a.worthwhile(tx, &p)
	}
	if len(a.query.order) == 0 || a.query.Count && a.query.filter != nil || a.query.Text != "" {
		return p, nil
	}
	first := a.query.order[0]
	if x := by(first.property); x != nil {
		p.index, p.in, p.ordered = x, cellfs.IndexRange{Down: first.down}, true
		p.most = max(maxInOrder, 2*(a.query.Skip+a.query.Top))
	}
	return p, nil
}

// intersected are the bounds with one range for each property.
func intersected(bounds []bound) (all []bound) {
	for _, b := range bounds {
		i := slices.IndexFunc(all, func(x bound) bool { return x.property == b.property })
		if i < 0 {
			all = append(all, b)
			continue
		}
		in := &all[i].in
		if bytes.Compare(b.in.From, in.From) > 0 {
			in.From = b.in.From
		}
		if bytes.Compare(b.in.To, in.To) < 0 {
			in.To = b.in.To
		}
	}
	return all
}

const (
	// maxByIndex bounds the entities that are looked at by an index.
	maxByIndex = 250_000
	// maxInOrder bounds those that are looked at in the order of an index, before the page is complete.
	maxInOrder = 5000
)

// worthwhile gives the index of a plan up if it leads to too many of all entities.
func (a *Answer) worthwhile(tx cellfs.Tx, p *plan) error {
	all, err := tx.CountIndexed(p.index.ID, cellfs.IndexRange{}, indexShare*max(p.most, minIndexed))
	if p.most > minIndexed && p.most > all/indexShare {
		p.index = nil
	}
	return err
}

// scanIndex finds the page by an index. done is false if that would lead to too many entities.
func (a *Answer) scanIndex(ctx context.Context, tx cellfs.Tx, p plan) (done bool, err error) {
	l := a.newLook()
	l.ordered = p.ordered
	seen, tooMany := 0, false
	err = eachDocument(ctx, a.fs, func(yield func(*cellfs.Document) error) error {
		return tx.IndexedDocuments(p.index, p.in, func(d *cellfs.Document) error {
			if seen++; seen > p.most {
				tooMany = true
				return fs.SkipAll
			}
			return yield(d)
		})
	}, l.at)
	if err != nil || tooMany {
		return false, err
	}
	l.done()
	if p.ordered && a.query.Count { // of all: there is no filter
		nodes, _, err := tx.Count(p.index.Node)
		a.total = nodes - 1 // the set itself
		return true, err
	}
	return true, nil
}
