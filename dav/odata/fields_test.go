package odata

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzFields: the members of every JSON object are found as encoding/json finds them, and no text
// makes the reader fail.
func FuzzFields(f *testing.F) {
	for _, doc := range []string{
		`{}`, `{"a":1}`, ` { "a" : "x\\" , "b":[1,{"c":"]}"}], "d":{"e":{}} , "f":null,"g":true,"h":-1.5e3 }`, `{"a":"\"","b":"\\\\"}`,
		`{`, `{"a"`, `{"a":}`, `{"a":1`, `{"a":"`, `{"a":[}`, `[1]`, ``, `{"a":1,}`, `{"é":"ü\u00e9"}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := appendFields(nil, doc)
		var want map[string]json.RawMessage
		if json.Unmarshal(doc, &want) != nil || want == nil || bytes.ContainsRune(doc, '\r') {
			return // what the server writes is JSON
		}
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		last := map[string]string{}
		for _, f := range got {
			var name string
			if err := json.Unmarshal(append(append([]byte{'"'}, f.name...), '"'), &name); err != nil {
				t.Fatalf("%q: name %q: %v", doc, f.name, err)
			}
			last[name] = string(f.value)
		}
		if len(last) != len(want) {
			t.Fatalf("%q: %d members, want %d", doc, len(last), len(want))
		}
		for name, value := range want {
			if last[name] != string(value) {
				t.Errorf("%q: %s is %q, want %q", doc, name, last[name], value)
			}
		}
	})
}
