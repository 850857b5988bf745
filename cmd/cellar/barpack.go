package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cellar/cellfs"
)

const (
	barMeta     = "00_meta"
	barContents = "90_contents"
)

// packBar writes the bar of a folder. What is in the folder and among own is left out: the bar itself.
func packBar(w io.Writer, dir, schema string, public bool, own ...string) error {
	whole := false // the folder is that of a bar
	if info, err := os.Stat(filepath.Join(dir, barMeta)); err == nil {
		whole = info.IsDir()
	}
	if whole && (schema != "" || public) {
		return usagef("--schema and --public are for a folder without %s", barMeta)
	}
	files, err := barFiles(dir, own)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	prefix := ""
	if !whole {
		prefix = barContents + "/"
		if err := writeMeta(z, files, schema, public); err != nil {
			return err
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "/") {
			if _, err := z.Create(prefix + name); err != nil {
				return err
			}
			continue
		}
		if err := packFile(z, prefix+name, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return z.Close()
}

// barFiles are the files and folders below dir, sorted, the folders with a slash at the end.
func barFiles(dir string, but []string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		name := filepath.ToSlash(rel)
		if full, err := filepath.Abs(p); err == nil && slices.Contains(but, full) {
			return nil
		}
		switch {
		case isLitter(d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			all = append(all, name+"/")
		case d.Type().IsRegular():
			all = append(all, name)
		default:
			return fmt.Errorf("%s is no file and no folder", p)
		}
		return nil
	})
	slices.Sort(all)
	return all, err
}

// isLitter reports whether a file was made by a file manager or a version control, for itself.
func isLitter(name string) bool {
	switch name {
	case ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX", ".git", ".gitignore", ".svn":
		return true
	}
	return strings.HasPrefix(name, "._")
}

func packFile(z *zip.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	h.Name, h.Method = name, zip.Deflate
	to, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(to, f)
	}
	return err
}

// writeMeta writes what a bar must have besides its contents.
func writeMeta(z *zip.Writer, files []string, schema string, public bool) error {
	manifest := map[string]any{"bar_version": "2", "box_version": "1", "schema": nil}
	if schema != "" {
		manifest["schema"] = schema
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	for _, e := range []struct {
		name    string
		content []byte
	}{{"00_manifest.json", text}, {"90_rootprops.xml", rootProps(files, public)}} {
		w, err := z.Create(barMeta + "/" + e.name)
		if err == nil {
			_, err = w.Write(e.content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rootProps declares the box with its folders and files.
func rootProps(files []string, public bool) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<multistatus xmlns="DAV:" xmlns:p="urn:x-personium:xmlns">`)
	response := func(name, prop string) {
		b.WriteString(`<response><href>personium-localbox:`)
		for segment := range strings.SplitSeq("/"+name, "/") {
			if segment != "" {
				b.WriteString("/" + url.PathEscape(segment))
			}
		}
		if name == "" {
			b.WriteString("/")
		}
		b.WriteString(`</href><propstat><prop>` + prop + `</prop><status>HTTP/1.1 200 OK</status></propstat></response>`)
	}
	acl := ""
	if public {
		acl = `<acl xml:base="https://localhost/__role/__/"><ace><principal><all/></principal><grant><privilege><read/></privilege></grant></ace></acl>`
	}
	const collection = `<resourcetype><collection/></resourcetype>`
	response("", collection+acl)
	for _, name := range files {
		if strings.HasSuffix(name, "/") {
			response(strings.TrimSuffix(name, "/"), collection)
			continue
		}
		kind := cellfs.TypeByName(path.Base(name))
		if kind == "" {
			kind = "application/octet-stream"
		}
		var text bytes.Buffer
		_ = xml.EscapeText(&text, []byte(kind)) // a buffer takes everything
		response(name, `<resourcetype/><getcontenttype>`+text.String()+`</getcontenttype>`)
	}
	b.WriteString(`</multistatus>`)
	return b.Bytes()
}

// checkPacked checks the bar that was written, before it gets its name.
func checkPacked(ctx context.Context, out *target) error {
	f, err := os.Open(out.whole.Name())
	if err != nil {
		return err
	}
	defer f.Close()
	_, faults, err := tryBar(ctx, f)
	if err == nil && len(faults) > 0 {
		err = errors.New("the bar would not install:\n" + strings.Join(faults, "\n"))
	}
	return err
}
