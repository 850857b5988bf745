package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certCheck is how often the files of the certificate are looked at.
const certCheck = time.Second

// certificate is one from files, read again when they change. While what is there
// cannot be read, as between the writing of the two files, the last good one is served.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]fileState
	checked time.Time
}

type fileState struct {
	size int64
	mod  time.Time
}

// loadCertificate returns an error unless the files are good now.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	seen, err := c.state()
	if err == nil {
		err = c.load(seen)
	}
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return c, nil
}

func (c *certificate) state() (s [2]fileState, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = fileState{info.Size(), info.ModTime()}
	}
	return s, nil
}

func (c *certificate) load(seen [2]fileState) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil {
		c.current, c.seen = &pair, seen
	}
	return err
}

// reload reads the files now, whether they look changed or not.
func (c *certificate) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, err := c.state()
	if err == nil {
		err = c.load(seen)
	}
	c.report(err)
}

// report logs whether the files could be read.
func (c *certificate) report(err error) {
	if err != nil {
		c.log.Error("the certificate cannot be read, the last one is served", "err", err)
		return
	}
	c.log.Info("the certificate was read again", "file", c.certFile)
}

// get implements [tls.Config.GetCertificate].
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certCheck {
		c.checked = now
		seen, err := c.state()
		if err == nil && seen == c.seen {
			return c.current, nil
		}
		if err == nil {
			err = c.load(seen)
		}
		c.report(err)
	}
	return c.current, nil
}

// config is for a server of HTTPS.
func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}
}
