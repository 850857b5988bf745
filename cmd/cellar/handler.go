package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v2"

	"cellar/dav"
	"cellar/dav/ops"
)

// withHandler runs fn on a server of the data folder whose handler is called in this process,
// without a network. fn asks it as the unit admin. Its jobs wait for the next server.
func withHandler(c *cli.Context, fn func(*remote, *unit) error) error {
	return withUnit(c, func(u *unit) (err error) {
		o, err := ops.New(c.Context, ops.Config{FS: u.fs, Paused: true, TempDir: u.temp(), Log: u.log})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.Close(context.WithoutCancel(c.Context))) }()
		r := &remote{url: "http://localhost/", user: c.String("admin-user"), password: rand.Text()}
		h, err := dav.New(c.Context, dav.Config{
			FS: u.fs, Ops: o, AdminUser: r.user, AdminPassword: r.password, InsecureBasic: true, TempDir: u.temp(), Log: u.log,
		})
		if err != nil {
			return err
		}
		defer h.Close()
		r.client = &http.Client{Transport: inProcess{h}}
		return fn(r, u)
	})
}

// inProcess sends requests to a handler of this process.
type inProcess struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper]. The answer is kept in memory.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	in.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	w := &recorded{header: http.Header{}}
	t.handler.ServeHTTP(w, in)
	w.WriteHeader(http.StatusOK) // unless it has a status
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// recorded is an [http.ResponseWriter] that keeps what is written.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorded) Header() http.Header { return a.header }

func (a *recorded) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *recorded) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
