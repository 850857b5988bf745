package account

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestScryptBounds: hashes from elsewhere are refused where checking one would cost too
// much, or where they prove too little.
func TestScryptBounds(t *testing.T) {
	text := func(logN, r, p, key int) string {
		b64 := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
		return fmt.Sprintf("$%x$%s$%s", logN<<16|r<<8|p, b64(saltBytes), b64(key))
	}
	for text, want := range map[string]bool{
		text(1, 1, 1, 16): true, text(16, 8, 1, 64): true, text(14, 32, 1, 32): true, text(14, 8, 4, 32): true, text(19, 1, 1, 32): true,
		text(0, 8, 1, 32): false, text(17, 8, 1, 32): false, text(16, 9, 1, 32): false, text(20, 1, 1, 32): false, text(255, 255, 255, 32): false,
		text(14, 0, 1, 32): false, text(14, 33, 1, 32): false,
		text(14, 8, 0, 32): false, text(14, 8, 5, 32): false, text(16, 8, 2, 32): false,
		text(14, 8, 1, 15): false, text(14, 8, 1, 65): false,
		"$e0801$" + strings.Repeat("AAAA", maxSalt/3) + "$" + strings.Repeat("A", 43) + "=":   true,
		"$e0801$" + strings.Repeat("AAAA", maxSalt/3+1) + "$" + strings.Repeat("A", 43) + "=": false,
		"": false, "$e0801$AA==": false, "e0801$AA==$AA==$": false, "$x$AA==$AA==": false, "$e0801$*$" + strings.Repeat("A", 44): false,
	} {
		if _, err := parseScrypt(text); (err == nil) != want {
			t.Errorf("%q: %v, want it accepted: %v", text, err, want)
		}
	}
	if s, err := parseScrypt(text(14, 8, 1, 32)); err != nil || s.logN != 14 || s.r != 8 || s.p != 1 || len(s.key) != 32 || len(s.salt) != saltBytes {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSecretBounds: what is hidden of an account is read up to a bound, whatever it is made of.
func TestSecretBounds(t *testing.T) {
	secret, err := DefaultCost.Hash("password")
	if err != nil {
		t.Fatal(err)
	}
	pad := strings.Repeat(" ", maxSecret-len(secret))
	if ok, err := verify([]byte(string(secret)+pad), "password"); !ok || err != nil {
		t.Errorf("of %d bytes: %v, %v", maxSecret, ok, err)
	}
	if ok, err := verify([]byte(string(secret)+pad+" "), "password"); ok || err == nil {
		t.Errorf("of more than %d bytes: %v, %v", maxSecret, ok, err)
	}
}

// BenchmarkVerify is what a login costs.
func BenchmarkVerify(b *testing.B) {
	kept, err := DefaultCost.Hash("password")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, err := verify(kept, "password"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
