package main

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listen opens the socket. A connection whose client takes nothing of an answer for so
// long is ended by the kernel: that needs no timer for each write, and holds for files
// that the kernel sends by itself.
func listen(ctx context.Context, address string, stall time.Duration) (net.Listener, error) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		cerr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stall.Milliseconds()))
		})
		if cerr != nil {
			return cerr
		}
		return err
	}}
	return c.Listen(ctx, "tcp", address)
}
