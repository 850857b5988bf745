package restore

import (
	"reflect"
	"testing"
)

// FuzzCommonLine: what the fast way reads is what JSON says.
func FuzzCommonLine(f *testing.F) {
	for _, line := range []string{
		`{"path":"","kind":"cell","created":1,"modified":2,"version":3}`,
		`{"path":"a/b c","kind":"file","type":"text/plain","size":5,"sha256":"00ff","created":-1,"modified":2,"version":3}`,
		`{"path":"a","kind":"file","type":"","size":0,"created":1,"modified":2,"version":3}`,
		`{"path":"a","kind":"file","type":"","size":00,"created":1,"modified":2,"version":3}`,
		`{"path":"a\n","kind":"box","created":-0,"modified":2,"version":3}`,
		`{"path":"ä","kind":"box","created":1,"modified":2,"version":3,"schema":"x"}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		fast, ok := commonLine(line)
		if !ok {
			return
		}
		var slow nodeLine
		if err := strict(line, &slow); err != nil {
			t.Fatalf("%q is no line: %v", line, err)
		}
		if !reflect.DeepEqual(fast, slow) {
			t.Errorf("%q is %+v, want %+v", line, fast, slow)
		}
	})
}

func TestCommonLine(t *testing.T) {
	l, ok := commonLine([]byte(`{"path":"a/b","kind":"file","type":"text/plain","size":5,"sha256":"00","created":1,"modified":2,"version":3}`))
	want := nodeLine{Path: "a/b", Kind: "file", Type: "text/plain", Size: 5, SHA256: "00", Created: 1, Modified: 2, Version: 3}
	if !ok || !reflect.DeepEqual(l, want) {
		t.Errorf("%+v, %v", l, ok)
	}
}
