package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cellar/dav/answer"
)

// remote is a server that is asked over HTTP.
type remote struct {
	url            string // ends in a slash
	user, password string
	client         *http.Client
}

// remoteFlags are for commands that the unit admin or an account of the cell can run.
func remoteFlags() []cli.Flag {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "server", Value: "http://127.0.0.1:8080/", EnvVars: env("SERVER"), Usage: "`URL` of the running server"},
		dataFlag(),
	}, adminFlags()...)
	return append(flags,
		&cli.StringFlag{Name: "user", Usage: "`NAME` of an account of the cell that asks in the place of the unit admin"},
		passwordFlag(),
	)
}

// openRemote is the server of --server for the account of --user, or for the unit admin.
func openRemote(c *cli.Context, stderr io.Writer) (*remote, error) {
	user := c.String("user")
	if user == "" {
		if c.String("password-file") != "" {
			return nil, usagef("--password-file is for the account of --user; the unit admin's is --admin-password-file")
		}
		return asAdmin(c)
	}
	r, err := dial(c)
	if err != nil {
		return nil, err
	}
	r.user = user
	r.password, err = accountPassword(c, stderr, false)
	return r, err
}

// asAdmin is the server of --server for the unit admin.
func asAdmin(c *cli.Context) (*remote, error) {
	r, err := dial(c)
	if err != nil {
		return nil, err
	}
	r.user, r.password = c.String("admin-user"), os.Getenv(adminVariable)
	if r.password != "" {
		return r, nil
	}
	file, _ := adminPasswordFile(c)
	if r.password, err = passwordFrom(file); err != nil {
		return nil, fmt.Errorf("the unit admin has no password (--admin-password-file): %w", err)
	}
	return r, nil
}

func dial(c *cli.Context) (*remote, error) {
	u, err := url.Parse(c.String("server"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usagef("--server %q: use http(s)://host[:port]/", c.String("server"))
	}
	return &remote{url: strings.TrimSuffix(u.String(), "/") + "/", client: http.DefaultClient}, nil
}

// answerError is an error answer of the server.
type answerError struct {
	status string
	answer answer.Error // without a code if the server gives none
}

func (e *answerError) Error() string {
	if e.answer.Code == "" {
		return "the server says " + e.status
	}
	return fmt.Sprintf("the server says %s (%s)", e.answer.Message, e.answer.Code)
}

// errorBody is the JSON of an error, of a failed job, and of an .error file.
type errorBody struct {
	Code    answer.Code
	Message struct{ Value string }
}

func (e errorBody) asError(status string) error {
	return &answerError{status, answer.Error{Code: e.Code, Message: e.Message.Value}}
}

// do sends a request and returns the answer if it is a good one. The caller closes
// its body.
func (r *remote) do(ctx context.Context, method, path string, body io.Reader, size int64, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
	}
	req.SetBasicAuth(r.user, r.password)
	req.Header.Set("Accept", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	var e errorBody
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_ = json.Unmarshal(text, &e) // what is no JSON has no code
	return nil, e.asError(res.Status)
}

// jobState is what GET on __export and __import tells.
type jobState struct {
	Status   string
	Progress string
	Message  errorBody
}

// wait follows a job of the cell until it has ended; each is called as it goes on.
func (r *remote) wait(ctx context.Context, path string, each func(percent int)) (jobState, error) {
	for {
		res, err := r.do(ctx, http.MethodGet, path, nil, 0, "Prefer", "wait=1")
		if err != nil {
			return jobState{}, err
		}
		var s jobState
		err = json.NewDecoder(res.Body).Decode(&s)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return s, err
		}
		if !strings.HasSuffix(s.Status, "in progress") {
			return s, nil
		}
		percent := 0
		if _, err := fmt.Sscanf(s.Progress, "%d%%", &percent); err == nil {
			each(percent)
		}
	}
}
