package odata

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/edm"
	"cellar/cellfs"
)

// ETag is the entity tag of a single entity, weak as OData has it; "" for
// anything else.
func (a *Answer) ETag() string {
	if len(a.entries) != 1 || a.many || a.request.links {
		return ""
	}
	return etag(&a.entries[0].node)
}

func etag(n *cellfs.Node) string {
	return fmt.Sprintf(`W/"%d-%d"`, n.Version, n.Modified.UnixMilli())
}

// Write sends the answer as JSON (contract 1.17). It reads
// one document at a time.
func (a *Answer) Write(ctx context.Context, out io.Writer) error {
	w := bufio.NewWriterSize(out, 32<<10)
	if err := a.write(ctx, w); err != nil {
		return err
	}
	return w.Flush()
}

func (a *Answer) write(ctx context.Context, w *bufio.Writer) error {
	if a.request.set == "" {
		names := []string{}
		for _, t := range a.schema.EntityTypes {
			names = append(names, t.Name)
		}
		return writeJSON(w, map[string]any{"d": map[string]any{"EntitySets": names}})
	}
	before, after := `{"d":{"results":`, "}}"
	if a.request.links && !a.many {
		before, after = `{"d":`, "}"
	}
	w.WriteString(before)
	if a.many {
		w.WriteByte('[')
	}
	for i := range a.entries {
		if i > 0 {
			w.WriteByte(',')
		}
		if err := a.writeEntry(ctx, w, &a.entries[i]); err != nil {
			return err
		}
	}
	if a.many {
		w.WriteByte(']')
		if a.query.Count {
			fmt.Fprintf(w, `,"__count":"%d"`, a.total)
		}
	}
	_, err := w.WriteString(after)
	return err
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// uri is the URL of an entity. A quote in its id is doubled.
func (a *Answer) uri(set, id string) string {
	return a.url + set + "('" + url.PathEscape(strings.ReplaceAll(id, "'", "''")) + "')"
}

func (a *Answer) writeEntry(ctx context.Context, w io.Writer, e *entry) error {
	if a.request.links {
		return writeJSON(w, map[string]string{"uri": a.uri(e.set, e.id)})
	}
	shown, err := a.show(ctx, e, a.query.Select)
	if err != nil {
		return err
	}
	return writeJSON(w, shown)
}

// show reads an entity, and what was expanded of it.
func (a *Answer) show(ctx context.Context, e *entry, selected []string) (members, error) {
	c, err := a.fs.OpenBlob(ctx, e.node.Blob)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(c).Decode(&fields); err != nil {
		return nil, fmt.Errorf("document %q: %w", e.node.Name, err)
	}
	if err := json.Unmarshal(fields["__id"], &e.id); err != nil {
		return nil, fmt.Errorf("document %q: %w", e.node.Name, err)
	}
	m := a.entity(e, fields, selected)
	for _, property := range a.navigation(e.set) {
		linked, expanded := e.expanded[property]
		switch {
		case expanded:
			all := []members{}
			for i := range linked {
				one, err := a.show(ctx, &linked[i], nil)
				if err != nil {
					return nil, err
				}
				all = append(all, one)
			}
			m = append(m, member{property, all})
		case selected == nil:
			m = append(m, member{property, members{{"__deferred", members{{"uri", a.uri(e.set, e.id) + "/" + property}}}}})
		}
	}
	return m, nil
}

// members are those of a JSON object, in order.
type members []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements [json.Marshaler].
func (m members) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, x := range m {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(x.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(x.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// entity is an entity as it is shown: what the server knows of it, the declared
// properties and the dynamic ones; of these only the selected ones, nil for all.
func (a *Answer) entity(e *entry, fields map[string]json.RawMessage, selected []string) members {
	uri := a.uri(e.set, e.id)
	m := members{
		{"__metadata", members{{"uri", uri}, {"etag", etag(&e.node)}, {"type", "UserData." + e.set}}},
		{"__id", e.id},
		{"__published", date(e.node.Created)},
		{"__updated", date(e.node.Modified)},
	}
	shown := func(name string) bool { return selected == nil || slices.Contains(selected, name) }
	for _, p := range a.declared(a.schema.EntityType(e.set), fields, e.node.Created) {
		if shown(p.name) {
			m = append(m, p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // those not taken: dynamic
		if !strings.HasPrefix(name, "__") && shown(name) {
			m = append(m, member{name, fields[name]})
		}
	}
	return m
}

func date(t time.Time) string { return "/Date(" + strconv.FormatInt(t.UnixMilli(), 10) + ")/" }

// declared takes the properties of a type out of fields; what is missing is null. What
// has a default got it when the entity was made.
func (a *Answer) declared(t *edm.Type, fields map[string]json.RawMessage, created time.Time) (m members) {
	for i := range t.Properties {
		p := &t.Properties[i]
		raw := fields[p.Name]
		delete(fields, p.Name)
		m = append(m, member{p.Name, a.value(p, raw, created)})
	}
	return m
}

func (a *Answer) value(p *edm.Property, raw json.RawMessage, created time.Time) any {
	if raw == nil || string(raw) == "null" {
		return nil
	}
	if p.Simple() {
		if p.Type == "Edm.DateTime" && string(raw) == `"`+edm.Now+`"` {
			return date(created)
		}
		return raw
	}
	var one map[string]json.RawMessage
	if !p.IsList {
		if json.Unmarshal(raw, &one) != nil {
			return raw
		}
		return a.declared(a.schema.ComplexType(p.Type), one, created)
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return raw
	}
	all := []members{}
	for _, fields := range list {
		all = append(all, a.declared(a.schema.ComplexType(p.Type), fields, created))
	}
	return all
}
