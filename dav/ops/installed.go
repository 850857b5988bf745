package ops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"cellar/cellfs"
	"cellar/jobs"
)

// installed is what a bar made of a box: by path what each resource was like when the install ended. It is kept
// as the content that the job's row names, so that an update knows what was changed since.
type installed map[string]asInstalled

// asInstalled is a resource as the bar made it.
type asInstalled struct {
	Content string `json:"c,omitempty"` // hash; "" for a collection
	Meta    string `json:"m"`           // digest of type, ACL and properties
}

// asNow is a resource as it is.
func asNow(tx cellfs.Tx, n *cellfs.Node) (a asInstalled, err error) {
	if !n.IsCollection() {
		if a.Content, err = contentOf(tx, n.Blob); err != nil {
			return a, err
		}
	}
	a.Meta, err = metaOf(n)
	return a, err
}

func contentOf(tx cellfs.Tx, blob int64) (string, error) {
	if blob == 0 {
		return "empty", nil
	}
	b, err := tx.Blob(blob)
	return b.Hash.String(), err
}

func metaOf(n *cellfs.Node) (string, error) {
	text, err := json.Marshal([]any{n.ContentType, n.ACL, n.Props})
	sum := sha256.Sum256(text)
	return base64.RawStdEncoding.EncodeToString(sum[:12]), err
}

// installedNow notes what is in a box, but for user data.
func (o *Ops) installedNow(ctx context.Context, box int64) (all installed, err error) {
	all = installed{}
	err = o.fs.View(ctx, func(tx cellfs.Tx) error {
		n, err := tx.Node(box)
		if err != nil {
			return err
		}
		return all.add(tx, &n, "")
	})
	return all, err
}

func (all installed) add(tx cellfs.Tx, n *cellfs.Node, path string) error {
	a, err := asNow(tx, n)
	if err != nil {
		return err
	}
	all[path] = a
	if !n.IsCollection() || n.Kind == cellfs.KindOData {
		return nil
	}
	return cellfs.EachChild(tx, n.ID, func(m *cellfs.Node) error { return all.add(tx, m, join(path, m.Name)) })
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// keepInstalled stores what is in a box, for the row of its job.
func (o *Ops) keepInstalled(ctx context.Context, all installed) (cellfs.Staged, error) {
	text, err := json.Marshal(all)
	if err != nil {
		return cellfs.Staged{}, err
	}
	return o.fs.Stage(ctx, bytes.NewReader(text))
}

// lastInstalled is what the last install or update of a box made; nil if that is not known.
func (o *Ops) lastInstalled(ctx context.Context, cell, box int64) (all installed, err error) {
	var content cellfs.Content
	err = o.fs.View(ctx, func(tx cellfs.Tx) error {
		rows, err := tx.Jobs()
		if err != nil {
			return err
		}
		var input int64
		for _, r := range rows {
			if r.Cell == cell && r.Target == box && r.State == string(jobs.Succeeded) && (r.Kind == KindInstall || r.Kind == KindUpdate) && r.Input != 0 {
				input = r.Input
			}
		}
		if input == 0 {
			return fs.ErrNotExist
		}
		content, err = o.fs.OpenTx(ctx, tx, input)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	return all, err
}
