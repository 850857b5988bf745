package dav_test

import (
	"testing"

	"cellar/dav/davtest"
)

// TestWaitIsBounded: Prefer: wait asks for up to 60 seconds, and the answer says for how long it was
// ready to wait (RFC 7240, 3, 4.3).
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	for asked, applied := range map[string]string{
		"wait=60": "wait=60", "wait=61": "wait=60", "wait=99999999": "wait=60", "Wait = 5": "wait=5", `respond-async, wait="7"`: "wait=7",
		"wait=0": "", "wait=-1": "", "wait=x": "", "wait": "", "return=minimal": "",
	} {
		r := s.Request("GET", "/cell1/__export").WithHeader("Prefer", asked).Expect().Status(200)
		if got := r.Raw().Header.Get("Preference-Applied"); got != applied {
			t.Errorf("Prefer: %s: %q, want %q", asked, got, applied)
		}
	}
}
