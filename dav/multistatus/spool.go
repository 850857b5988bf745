package multistatus

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// spool is the beginning of a long answer, in a file without a name: nothing is
// left of it when the process ends, however it ends.
type spool struct {
	dir  string // of the file; "": that of the system
	take func(bytes int64) error
	file *os.File
	size int64
}

// add appends b.
func (s *spool) add(b []byte) error {
	if err := s.take(int64(len(b))); err != nil {
		return err
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "answer-*")
		if err != nil {
			return fmt.Errorf("spool: %v", err) // not wrapped: a missing folder is no missing resource
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	n, err := s.file.Write(b)
	s.size += int64(n)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// content is all of the answer, which ends with the given bytes.
func (s *spool) content(end []byte) (io.Reader, int64, error) {
	if s.file == nil {
		return bytes.NewReader(end), int64(len(end)), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, fmt.Errorf("spool: %w", err)
	}
	return io.MultiReader(s.file, bytes.NewReader(end)), s.size + int64(len(end)), nil
}

// Close frees the file.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
