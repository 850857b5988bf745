package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// hangups are the SIGHUPs that come from now on. They do not end the process any more,
// not even before it serves.
func hangups() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloadAt reads certificate and password again at each signal, until ctx is done.
func (s *server) reloadAt(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			s.reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the certificate and the password again. What cannot be read stays as it was.
func (s *server) reload() {
	if s.cert != nil {
		s.cert.reload()
	}
	file, _ := adminPasswordFile(s.c)
	if os.Getenv(adminVariable) != "" || file == "-" {
		s.log.Info("the admin's password stays: it is in no file")
		return
	}
	password, err := passwordFrom(file)
	if err != nil {
		s.log.Error("the admin's password cannot be read, the last one stays", "err", err)
		return
	}
	warnOfReaders(file, s.log)
	changed := password != s.password
	if changed {
		s.password = password
		s.dav.SetAdminPassword(password)
	}
	s.log.Info("the admin's password was read again", "file", file, "changed", changed)
}
