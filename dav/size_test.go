package dav_test

import (
	"net/http"
	"testing"

	"cellar/dav/davtest"
)

// TestSize: __size tells what the cell takes, to who may list it.
func TestSize(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Put("/cell1/__/f", "12345")
	got := s.Request("GET", "/cell1/__size").Expect().Status(http.StatusOK).JSON().Object()
	got.Value("bytes").Number().Ge(5)
	got.Value("resources").Number().Ge(3)
	s.Request("DELETE", "/cell1/__size").Expect().Status(http.StatusMethodNotAllowed).Header("Allow").IsEqual("OPTIONS, GET, HEAD")
	davtest.Error(s.Anonymous().GET("/cell1/__size").Expect(), "PR401-AU-0001")
	davtest.Error(s.Request("GET", "/none/__size").Expect(), "PR404-DV-0003")
}
