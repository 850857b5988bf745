package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// target is where an export goes. A regular file appears under its name only when it is
// complete; into what is none, such as a pipe or a device, it is written as it comes.
type target struct {
	io.Writer
	file  *os.File // what is no regular file; nil for others
	whole *part    // a regular file; nil for others
}

// openTarget returns an error now, before the export begins, if the target cannot be written.
// "-" is the standard output. Symbolic links are followed: what they lead to is replaced.
func openTarget(ctx context.Context, name string, stdout io.Writer) (*target, error) {
	if name == "-" {
		return &target{Writer: stdout}, nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder: name a file in it", name)
	case !info.Mode().IsRegular():
		f, err := openStream(ctx, name)
		return &target{Writer: f, file: f}, err
	}
	if name, err = followLinks(name); err != nil {
		return nil, err
	}
	p, err := newPart(name)
	if err != nil {
		return nil, err
	}
	return &target{Writer: p, whole: p}, nil
}

// openStream opens what is no regular file. A pipe is there once somebody reads it.
func openStream(ctx context.Context, name string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("nobody reads %s: %w", name, ctx.Err())
	}
}

// maxLinks bounds the symbolic links that lead to a file, as Linux does.
const maxLinks = 40

// followLinks is the file that a name stands for, which need not be there.
func followLinks(name string) (string, error) {
	for range maxLinks {
		to, err := os.Readlink(name)
		switch {
		case errors.Is(err, syscall.EINVAL), errors.Is(err, fs.ErrNotExist): // no link, or nothing
			return name, nil
		case err != nil:
			return "", err
		case !filepath.IsAbs(to):
			to = filepath.Join(filepath.Dir(name), to)
		}
		name = to
	}
	return "", fmt.Errorf("%s: too many links", name)
}

// isFile reports whether what was written lies under its name and can be looked at.
func (t *target) isFile() bool { return t.whole != nil }

// finish makes what was written durable where it is.
func (t *target) finish() error {
	switch {
	case t.whole != nil:
		return t.whole.publish()
	case t.file != nil:
		err := t.file.Sync()
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) { // a pipe
			err = nil
		}
		return errors.Join(err, t.file.Close())
	}
	return nil
}

// abandon removes what was written, where that is possible.
func (t *target) abandon() error {
	switch {
	case t.whole != nil:
		return t.whole.drop()
	case t.file != nil:
		return t.file.Close()
	}
	return nil
}
