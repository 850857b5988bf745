package restore

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"cellar/cellfs"
)

// files are the entries of the zip, by the keys of their names: a program that packs a snapshot
// again can change the Unicode form of names.
type files map[string]*zip.File

// at is the entry of that name; nil for none.
func (all files) at(name string) *zip.File { return all[cellfs.Key(name)] }

// add takes an entry of the zip, and refuses what no exporter writes.
func (all files) add(f *zip.File) error {
	key := cellfs.Key(f.Name)
	switch mode := f.Mode(); {
	case all[key] != nil:
		return damaged(f.Name, "is there twice")
	case f.Flags&1 != 0, f.Method != zip.Store && f.Method != zip.Deflate:
		return damaged(f.Name, "is encrypted or of an unknown method")
	case !mode.IsRegular() && !mode.IsDir():
		return damaged(f.Name, "is no file")
	}
	all[key] = f
	return nil
}

// hasFolder reports whether something lies below the folder, whose name ends in a slash,
// or the folder itself is there.
func (all files) hasFolder(folder string) bool {
	for name := range all {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

func readSmall(f *zip.File) ([]byte, error) {
	r, err := openEntry(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxSmall+1))
	if err != nil {
		return nil, entryError(f.Name, err)
	}
	if len(text) > maxSmall {
		return nil, damaged(f.Name, "has more than %d bytes", maxSmall)
	}
	return text, nil
}

func openEntry(f *zip.File) (io.ReadCloser, error) {
	r, err := f.Open()
	if err != nil {
		return nil, entryError(f.Name, err)
	}
	return r, nil
}

// entryError distinguishes a fault of the zip from one of reading it.
func entryError(name string, err error) error {
	var corrupt flate.CorruptInputError
	for _, fault := range []error{zip.ErrChecksum, zip.ErrFormat, zip.ErrAlgorithm, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, fault) {
			return damaged(name, "%v", err)
		}
	}
	if errors.As(err, &corrupt) {
		return damaged(name, "%v", err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// eachLine calls yield for every line of a file of the snapshot. A line has at most limit
// bytes.
func eachLine(f *zip.File, limit int, yield func(line []byte, where string) error) error {
	in, err := openEntry(f)
	if err != nil {
		return err
	}
	defer in.Close()
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), limit)
	n := 0
	for s.Scan() {
		if n++; len(s.Bytes()) == 0 {
			return damaged(f.Name, "line %d is empty", n)
		}
		if err := yield(s.Bytes(), fmt.Sprintf("%s, line %d", f.Name, n)); err != nil {
			return err
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return damaged(f.Name, "line %d has more than %d bytes", n+1, limit)
	} else if err != nil {
		return entryError(f.Name, err)
	}
	return nil
}

// strict decodes a line without unknown fields and with nothing after it.
func strict(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// strictLines decodes all lines of a file.
func strictLines[T any](f *zip.File, limit int, yield func(T, string) error) error {
	return eachLine(f, limit, func(line []byte, where string) error {
		var v T
		if err := strict(line, &v); err != nil {
			return damaged(where, "%v", err)
		}
		return yield(v, where)
	})
}
