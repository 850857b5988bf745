package main

import (
	"errors"
	"os"
	"path/filepath"
)

// writeWhole writes a file that only its owner can read. It appears under its name only
// when it is complete and on the disk; what had the name before stays until then.
func writeWhole(name, text string) error {
	f, err := newPart(name)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(err, f.drop())
	}
	return f.publish()
}

// part is a file that has not got its name yet. One of publish and drop ends it.
type part struct {
	*os.File
	name string
}

// newPart begins a file beside the place where it will be.
func newPart(name string) (*part, error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return nil, err
	}
	return &part{f, name}, nil
}

// publish gives the file its name, durably. If it fails, the file is gone or complete.
func (p *part) publish() error {
	if err := p.Sync(); err != nil {
		return errors.Join(err, p.drop())
	}
	if err := os.Rename(p.Name(), p.name); err != nil {
		return errors.Join(err, p.drop())
	}
	return errors.Join(p.Close(), syncDir(filepath.Dir(p.name)))
}

// drop gives the file up.
func (p *part) drop() error { return errors.Join(p.Close(), os.Remove(p.Name())) }

// syncDir makes a new name in a directory durable.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
