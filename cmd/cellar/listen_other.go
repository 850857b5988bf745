//go:build !linux

package main

import (
	"context"
	"net"
	"time"
)

// listen opens the socket. How long a client may take nothing of an answer is up to the
// system.
func listen(ctx context.Context, address string, _ time.Duration) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", address)
}
