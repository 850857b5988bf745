package account

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"cellar/cellfs"
)

// Status of an account (Personium's Status).
type Status string

const (
	Active      Status = "active"
	MustChange  Status = "passwordChangeRequired" // may do nothing but set a new password
	Deactivated Status = "deactivated"            // cannot log in
)

// Identity is an account as it logs in.
type Identity struct {
	ID     int64 // of the control object
	Name   string
	Status Status
	Roles  []int64 // ids of the roles that the account has now
	// Secret changes with the password. It must not leave the program.
	Secret   []byte
	networks []netip.Prefix // from which it may log in; nil: from everywhere
	broken   bool           // the list of networks could not be read
}

// Find returns the account of a cell, from memory if nothing about the cell's accounts
// and roles has changed since. It returns [ErrNone] and [cellfs.ErrNoCell].
func Find(ctx context.Context, f *cellfs.FS, cell, name string) (*Identity, error) {
	return cellfs.Remember(ctx, f, cell, "account "+name, func(tx cellfs.Tx, c cellfs.Cell) (*Identity, error) {
		return findIn(tx, c.ID, name)
	})
}

// FindIn is [Find] in a transaction, and not from memory.
func FindIn(tx cellfs.Tx, cell, name string) (*Identity, error) {
	c, err := tx.Cell(cell)
	if err != nil {
		return nil, instead(err, fs.ErrNotExist, cellfs.ErrNoCell)
	}
	return findIn(tx, c.ID, name)
}

func findIn(tx cellfs.Tx, cell int64, name string) (*Identity, error) {
	e, err := tx.Entity(cell, 0, cellfs.SetAccount, name)
	if err != nil {
		return nil, instead(err, fs.ErrNotExist, ErrNone)
	}
	return identity(tx, &e)
}

func identity(tx cellfs.Tx, e *cellfs.Entity) (*Identity, error) {
	var doc struct {
		Status         Status
		IPAddressRange *string
	}
	if err := json.Unmarshal(e.Doc, &doc); err != nil {
		return nil, err
	}
	id := &Identity{ID: e.ID, Name: e.Key, Status: doc.Status, Secret: e.Hidden}
	if id.Status == "" {
		id.Status = Active
	}
	if doc.IPAddressRange != nil && *doc.IPAddressRange != "" {
		var err error
		if id.networks, err = ParseNetworks(*doc.IPAddressRange); err != nil {
			id.broken = true
		}
	}
	var err error
	id.Roles, err = linked(tx, e, cellfs.SetRole)
	return id, err
}

// ParseNetworks reads a list of IP addresses and networks, separated by commas.
func ParseNetworks(text string) (all []netip.Prefix, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		p, err := netip.ParsePrefix(part)
		if err != nil {
			addr, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return nil, err
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// From reports whether the account may log in from the address.
func (id *Identity) From(addr netip.Addr) bool {
	if id.broken {
		return false
	}
	if id.networks == nil {
		return true
	}
	for _, n := range id.networks {
		if n.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// Verify reports whether the password is the account's. It costs what the hash cost: up to [MaxCost]
// times [DefaultCost] for an imported one. err says why the password of an account cannot be checked.
func (id *Identity) Verify(password string) (bool, error) { return verify(id.Secret, password) }

// Has reports whether the hash of the account's password, if it has one that can be checked, is
// one that [Cost.Hash] makes. Another hash was
// imported, and checking it takes longer or proves less.
func (c Cost) Has(id *Identity) bool {
	s, err := parseSecret(id.Secret)
	return err != nil || s.logN == int(c) && s.r == scryptR && s.p == scryptP && len(s.key) == keyBytes
}

// Nobody is an account whose password cannot be right. A login under an unknown name checks it, so that
// it takes as long as one under a known name.
func (c Cost) Nobody() *Identity { return &Identity{Status: Active, Secret: c.nobody()} }

// nobody is a hash that no password has.
func (c Cost) nobody() json.RawMessage {
	zeros := strings.Repeat("A", saltBytes*4/3) // of base64
	text, _ := json.Marshal(hidden{Algorithm: "scrypt", Credential: "$" + strconv.FormatInt(int64(c)<<16|scryptR<<8|scryptP, 16) + "$" + zeros[:84] + "$" + zeros[:43] + "="})
	return text
}
