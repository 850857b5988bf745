package webdavfs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
	"time"

	"cellar/cellfs"

	"golang.org/x/net/webdav"
)

// LockSystem returns the locks of the tree as a webdav.LockSystem, for the handler
// of x/net: what package dav locks that handler respects, and the other way
// round. That interface knows neither request nor caller, so that all its locks
// are taken and used by one principal.
//
// The handler takes a lock for the time of each request that brings no token. Such
// a lock, which it asks to last for ever, only looks whether it could be taken. A
// real one must be asked for with a finite timeout.
func (f *FileSystem) LockSystem(principal string) webdav.LockSystem {
	return &lockSystem{f.tree, principal}
}

type lockSystem struct {
	fs        *cellfs.FS
	principal string
}

// passing is the token of a lock for the time of a request.
const passing = "cellar:request"

// Create implements webdav.LockSystem.
func (s *lockSystem) Create(_ time.Time, d webdav.LockDetails) (string, error) {
	p, err := cellfs.ParsePath(d.Root)
	if err != nil {
		return "", err
	}
	if d.Duration < 0 {
		err := s.fs.View(context.Background(), func(tx cellfs.Tx) error { return s.fs.CheckLocks(tx, s.change(p, nil)) })
		return passing, asLocked(err)
	}
	l := &cellfs.Lock{
		Token: "urn:cellar:" + hex.EncodeToString([]byte(rand.Text())), Root: p, Infinite: !d.ZeroDepth,
		Owner: ownerText(d.OwnerXML), Principal: s.principal, Timeout: d.Duration,
	}
	err = s.fs.UpdateSoon(context.Background(), func(tx cellfs.Tx) error {
		if n, err := s.fs.Lookup(tx, p); err == nil {
			l.Collection = n.IsCollection()
		}
		return s.fs.AddLock(tx, l)
	})
	return l.Token, asLocked(err)
}

// ownerText keeps the owner as text: its XML may use namespaces that are declared
// elsewhere.
func ownerText(xml string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(xml)
}

func (s *lockSystem) change(p cellfs.Path, tokens []string) cellfs.Change {
	return cellfs.Change{Path: p, Deep: true, Member: true, Tokens: tokens, Principal: s.principal}
}

func asLocked(err error) error {
	if errors.Is(err, cellfs.ErrLocked) || errors.Is(err, cellfs.ErrLockConflict) {
		return webdav.ErrLocked
	}
	return err
}

// Confirm implements webdav.LockSystem.
func (s *lockSystem) Confirm(_ time.Time, name0, name1 string, conditions ...webdav.Condition) (release func(), err error) {
	var paths []cellfs.Path
	for _, name := range []string{name0, name1} {
		if name == "" {
			continue
		}
		p, err := cellfs.ParsePath(name)
		if err != nil {
			return nil, webdav.ErrConfirmationFailed
		}
		paths = append(paths, p)
	}
	err = s.fs.View(context.Background(), func(tx cellfs.Tx) error { return s.confirm(tx, paths, conditions) })
	if err != nil {
		return nil, err
	}
	return func() {}, nil
}

// confirm wants every condition to hold for one of the paths, and a token for
// every lock on them.
func (s *lockSystem) confirm(tx cellfs.Tx, paths []cellfs.Path, conditions []webdav.Condition) error {
	var tokens []string
	for _, c := range conditions {
		holds := false
		for _, p := range paths {
			is, err := s.holds(tx, p, c)
			if err != nil {
				return err
			}
			holds = holds || is != c.Not
		}
		if !holds {
			return webdav.ErrConfirmationFailed
		}
		tokens = append(tokens, c.Token)
	}
	for _, p := range paths {
		if err := s.fs.CheckLocks(tx, s.change(p, tokens)); errors.Is(err, cellfs.ErrLocked) {
			return webdav.ErrConfirmationFailed
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (s *lockSystem) holds(tx cellfs.Tx, p cellfs.Path, c webdav.Condition) (bool, error) {
	if c.ETag == "" {
		l, err := tx.Lock(c.Token, s.fs.Now())
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil && l.Protects(p), err
	}
	n, err := s.fs.Lookup(tx, p)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && n.ETag() == c.ETag, err
}

// find looks for a lock by its token.
func (s *lockSystem) find(tx cellfs.Tx, token string) (cellfs.Lock, error) {
	l, err := tx.Lock(token, s.fs.Now())
	if errors.Is(err, fs.ErrNotExist) || err == nil && l.Principal != s.principal {
		return cellfs.Lock{}, webdav.ErrNoSuchLock
	}
	return l, err
}

// Refresh implements webdav.LockSystem.
func (s *lockSystem) Refresh(_ time.Time, token string, d time.Duration) (webdav.LockDetails, error) {
	var l cellfs.Lock
	err := s.fs.UpdateSoon(context.Background(), func(tx cellfs.Tx) (err error) {
		if l, err = s.find(tx, token); err != nil {
			return err
		}
		l.Timeout, l.Expires = d, s.fs.Now().Add(d)
		return tx.SetLock(l)
	})
	return webdav.LockDetails{Root: l.Root.String(), Duration: d, OwnerXML: l.Owner, ZeroDepth: !l.Infinite}, err
}

// Unlock implements webdav.LockSystem.
func (s *lockSystem) Unlock(_ time.Time, token string) error {
	if token == passing {
		return nil
	}
	return s.fs.UpdateSoon(context.Background(), func(tx cellfs.Tx) error {
		l, err := s.find(tx, token)
		if err != nil {
			return err
		}
		return tx.DeleteLock(l)
	})
}
