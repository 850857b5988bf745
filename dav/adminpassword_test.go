package dav_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"cellar/dav"
	"cellar/dav/davtest"
)

// TestAdminPasswordChanges: from the moment the admin has another password, the old one and
// the tokens that came of it are worth nothing, also for an upload that is on its way.
func TestAdminPasswordChanges(t *testing.T) {
	defer dav.SetLongRequest(0)() // every change looks at its caller again
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	token := s.Anonymous().POST("/__token").WithForm(map[string]string{
		"grant_type": "password", "username": davtest.User, "password": davtest.Password,
	}).Expect().Status(http.StatusOK).JSON().Object().Value("access_token").String().Raw()
	s.With(token, "GET", "/cell1/__").Expect().Status(http.StatusOK)

	body, rest := io.Pipe()
	upload := make(chan int, 1)
	go func() {
		req, err := http.NewRequest("PUT", s.URL+"/cell1/box/file", body)
		if err != nil {
			upload <- 0
			return
		}
		req.SetBasicAuth(davtest.User, davtest.Password)
		req.Header.Set("Expect", "100-continue") // so that nothing is sent before its caller was found good
		client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		defer client.CloseIdleConnections()
		res, err := client.Do(req)
		if err != nil {
			upload <- 0
			return
		}
		res.Body.Close()
		upload <- res.StatusCode
	}()
	if _, err := rest.Write(make([]byte, 1<<20)); err != nil { // it is being read
		t.Fatal(err)
	}
	s.SetAdminPassword("another one")
	s.Request("GET", "/cell1/__").WithBasicAuth(davtest.User, "another one").Expect().Status(http.StatusOK)
	rest.Close()
	if status := <-upload; status != http.StatusUnauthorized {
		t.Errorf("an upload with the old password: %d", status)
	}
	s.Request("GET", "/cell1/box/file").WithBasicAuth(davtest.User, "another one").Expect().Status(http.StatusNotFound)
	s.With(token, "GET", "/cell1/__").Expect().Status(http.StatusUnauthorized)
	s.Request("GET", "/cell1/__").Expect().Status(http.StatusUnauthorized)
}
