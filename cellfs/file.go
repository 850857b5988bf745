package cellfs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"golang.org/x/net/webdav"
)

// file reads a node. Nothing is opened before the first Read or Seek.
type file struct {
	fs      *FS
	ctx     context.Context
	path    Path
	node    Node
	content Content
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
		err := h.fs.View(h.ctx, func(tx Tx) error {
			return h.fs.Members(tx, h.node, nil, func(n *Node) error {
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
	var changes []PropPatch
	for _, patch := range patches {
		for _, p := range patch.Props {
			stat.Props = append(stat.Props, webdav.Property{XMLName: p.XMLName})
			changes = append(changes, PropPatch{Remove: patch.Remove, Property: Property{
				Space: p.XMLName.Space, Local: p.XMLName.Local, Lang: p.Lang, XML: Element(p.XMLName, p.Lang, string(p.InnerXML)),
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

// Element writes a complete element around inner, which must declare the
// namespaces it uses.
func Element(name xml.Name, lang, inner string) string { return ElementWith(name, lang, "", inner) }

// ElementWith is [Element] with more attributes, ready to be written.
func ElementWith(name xml.Name, lang, attributes, inner string) string {
	var b strings.Builder
	b.WriteString("<" + name.Local)
	if name.Space != "" {
		b.WriteString(` xmlns="`)
		xml.EscapeText(&b, []byte(name.Space))
		b.WriteString(`"`)
	} else {
		b.WriteString(` xmlns=""`)
	}
	b.WriteString(attributes)
	if lang != "" && !strings.Contains(attributes, " xml:lang=") {
		b.WriteString(` xml:lang="`)
		xml.EscapeText(&b, []byte(lang))
		b.WriteString(`"`)
	}
	if inner == "" {
		b.WriteString("/>")
	} else {
		b.WriteString(">" + inner + "</" + name.Local + ">")
	}
	return b.String()
}

// upload is a file being written. It reads at the pace of its writer into the
// staging area and publishes once.
type upload struct {
	fs   *FS
	ctx  context.Context
	path Path

	pipe   *io.PipeWriter // of Write; nil before the first
	staged chan stageResult
	err    error // poisons: nothing will be published
	node   *Node // set when published
}

type stageResult struct {
	s   Staged
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

func (u *upload) publish(s Staged) error {
	n, _, err := u.fs.Publish(u.ctx, u.path, s, PutOptions{ContentType: TypeByName(u.path.Name())})
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
	return u.publish(StageBytes(nil))
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

// TypeByName guesses a content type from the extension; "" if it says nothing.
func TypeByName(name string) string { return mime.TypeByExtension(path.Ext(name)) }

// MaxContentType bounds the content type of a file, in bytes: it stands in every listing.
const MaxContentType = 1 << 10

// IsContentType reports whether s has the form type/subtype (RFC 9110, 8.3.1) and is not
// too long.
func IsContentType(s string) bool {
	t, _, err := mime.ParseMediaType(s)
	return err == nil && len(s) <= MaxContentType && strings.Count(t, "/") == 1 &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// ContentType is s if it is a content type, and application/octet-stream if not: what is
// stored stands in headers, listings and bars.
func ContentType(s string) string {
	if !IsContentType(s) {
		return "application/octet-stream"
	}
	return s
}
