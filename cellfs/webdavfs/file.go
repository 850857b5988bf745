package webdavfs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"cellar/cellfs"

	"golang.org/x/net/webdav"
)

// file reads a node. Nothing is opened before the first Read or Seek.
type file struct {
	fs      *cellfs.FS
	ctx     context.Context
	path    cellfs.Path
	node    cellfs.Node
	content cellfs.Content
	listed  []fs.FileInfo
	listing bool
}

func (h *file) Close() error {
	if h.content == nil {
		return nil
	}
	return h.content.Close()
}

func (h *file) open() error {
	if h.content != nil {
		return nil
	}
	var err error
	h.content, err = h.fs.Open(h.ctx, h.node)
	return pathError("open", h.path.String(), err)
}

func (h *file) Read(b []byte) (int, error) {
	if err := h.open(); err != nil {
		return 0, err
	}
	return h.content.Read(b)
}

func (h *file) Seek(offset int64, whence int) (int64, error) {
	if err := h.open(); err != nil {
		return 0, err
	}
	return h.content.Seek(offset, whence)
}

// Readdir reads the whole listing in one point in time at the first call.
func (h *file) Readdir(count int) ([]fs.FileInfo, error) {
	if !h.node.IsCollection() {
		return nil, pathError("readdir", h.path.String(), fs.ErrInvalid)
	}
	if !h.listing {
		h.listing = true
		err := h.fs.View(h.ctx, func(tx cellfs.Tx) error {
			return h.fs.Members(tx, h.node, nil, func(n *cellfs.Node) error {
				h.listed = append(h.listed, Info{*n})
				return nil
			})
		})
		if err != nil {
			// Not a *PathError: the stock handler would leave the entry out and
			// send a listing that looks complete.
			return nil, fmt.Errorf("list %s: %w", h.path, err)
		}
	}
	if count <= 0 || count >= len(h.listed) {
		page := h.listed
		h.listed = nil
		if count > 0 && len(page) == 0 {
			return nil, io.EOF
		}
		return page, nil
	}
	page := h.listed[:count]
	h.listed = h.listed[count:]
	return page, nil
}

func (h *file) Stat() (fs.FileInfo, error) { return Info{h.node}, nil }

func (h *file) Write([]byte) (int, error) {
	return 0, pathError("write", h.path.String(), fs.ErrPermission)
}

// DeadProps implements webdav.DeadPropsHolder.
func (h *file) DeadProps() (map[xml.Name]webdav.Property, error) {
	props := make(map[xml.Name]webdav.Property, len(h.node.Props))
	for _, p := range h.node.Props {
		name := xml.Name{Space: p.Space, Local: p.Local}
		props[name] = webdav.Property{XMLName: name, Lang: p.Lang, InnerXML: innerXML(p.XML)}
	}
	return props, nil
}

// innerXML is what stands between the tags of a complete element.
func innerXML(element string) []byte {
	start, end := strings.IndexByte(element, '>'), strings.LastIndex(element, "</")
	if start < 0 || end < start {
		return nil
	}
	return []byte(element[start+1 : end])
}

// Patch implements webdav.DeadPropsHolder.
func (h *file) Patch(patches []webdav.Proppatch) ([]webdav.Propstat, error) {
	stat := webdav.Propstat{Status: http.StatusOK}
	var changes []cellfs.PropPatch
	for _, patch := range patches {
		for _, p := range patch.Props {
			stat.Props = append(stat.Props, webdav.Property{XMLName: p.XMLName})
			changes = append(changes, cellfs.PropPatch{Remove: patch.Remove, Property: cellfs.Property{
				Space: p.XMLName.Space, Local: p.XMLName.Local, Lang: p.Lang, XML: cellfs.Element(p.XMLName, p.Lang, string(p.InnerXML)),
			}})
		}
	}
	n, err := h.fs.Patch(h.ctx, h.path, changes, nil)
	if err != nil {
		return nil, pathError("patch", h.path.String(), err)
	}
	h.node = n
	return []webdav.Propstat{stat}, nil
}

// upload is a file being written. It reads at the pace of its writer into the
// staging area and publishes once.
type upload struct {
	fs   *cellfs.FS
	ctx  context.Context
	path cellfs.Path

	pipe   *io.PipeWriter // of Write; nil before the first
	staged chan stageResult
	err    error        // poisons: nothing will be published
	node   *cellfs.Node // set when published
}

type stageResult struct {
	s   cellfs.Staged
	err error
}

// ReadFrom takes the whole content from r. If r fails, the upload is discarded:
// io.Copy in the stock handler calls this, which is how a request body that
// breaks off is told from one that ends.
func (u *upload) ReadFrom(r io.Reader) (int64, error) {
	if u.pipe != nil || u.node != nil || u.err != nil {
		n, err := io.Copy(struct{ io.Writer }{u}, r)
		u.err = errors.Join(u.err, err)
		return n, err
	}
	s, err := u.fs.Stage(u.ctx, r)
	if err != nil {
		u.err = err
		return 0, err
	}
	return s.Size, u.publish(s)
}

func (u *upload) Write(b []byte) (int, error) {
	if u.err != nil || u.node != nil {
		return 0, errors.Join(u.err, pathError("write", u.path.String(), fs.ErrClosed))
	}
	if u.pipe == nil {
		r, w := io.Pipe()
		u.pipe, u.staged = w, make(chan stageResult, 1)
		go func() {
			s, err := u.fs.Stage(u.ctx, r)
			r.CloseWithError(err)
			u.staged <- stageResult{s, err}
		}()
	}
	n, err := u.pipe.Write(b)
	u.err = errors.Join(u.err, err)
	return n, err
}

func (u *upload) publish(s cellfs.Staged) error {
	n, _, err := u.fs.Publish(u.ctx, u.path, s, cellfs.PutOptions{ContentType: cellfs.TypeByName(u.path.Name())})
	if err != nil {
		u.err = pathError("close", u.path.String(), err)
		return u.err
	}
	u.node = &n
	return nil
}

// finish publishes what was written, once.
func (u *upload) finish() error {
	if u.pipe != nil {
		u.pipe.CloseWithError(u.err)
		res := <-u.staged
		u.pipe = nil
		if u.err != nil || res.err != nil {
			u.err = errors.Join(u.err, res.err)
			return u.err
		}
		return u.publish(res.s)
	}
	if u.err != nil || u.node != nil {
		return u.err
	}
	return u.publish(cellfs.StageBytes(nil))
}

// Stat publishes what was written so far, so that the entity tag it gives is
// the one readers will see.
func (u *upload) Stat() (fs.FileInfo, error) {
	if err := u.finish(); err != nil {
		return nil, err
	}
	return Info{*u.node}, nil
}

func (u *upload) Close() error { return u.finish() }

func (u *upload) Read([]byte) (int, error) {
	return 0, pathError("read", u.path.String(), fs.ErrPermission)
}

func (u *upload) Seek(int64, int) (int64, error) {
	return 0, pathError("seek", u.path.String(), fs.ErrPermission)
}

func (u *upload) Readdir(int) ([]fs.FileInfo, error) {
	return nil, pathError("readdir", u.path.String(), fs.ErrInvalid)
}
