package wire

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
)

// Listen returns a listener whose connections can send an answer's header and body in one piece
// ([Response.Whole]). Its server has [ConnContext] as its ConnContext.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &conn{TCPConn: tcp}, nil
	}
	return c, err
}

// connKey is the key of the link in the context of a connection.
type connKey struct{}

// link is what requests of a connection share.
type link struct {
	conn *conn // nil where writes cannot be joined, as with TLS
	addr netip.Addr
}

// ConnContext is for [http.Server].
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	l := &link{addr: addrOf(c.RemoteAddr().String())}
	l.conn, _ = c.(*conn)
	return context.WithValue(ctx, connKey{}, l)
}

// linkOf is the link of a request; nil if its server has no [ConnContext].
func linkOf(r *http.Request) *link {
	l, _ := r.Context().Value(connKey{}).(*link)
	return l
}

// addrOf is the address without its port; invalid for what is none.
func addrOf(remote string) netip.Addr {
	a, _ := netip.ParseAddrPort(remote)
	return a.Addr().Unmap()
}

// headerRoom is for a header and the begin of a body: package http writes so much at a time.
const headerRoom = 4 << 10

// conn is a connection. Package http writes a header and what fits behind it first, and the rest of a
// body that is in memory after that: two packets, and two calls of the system, where one will do.
// While a body is awaited, the first of them is held until the second comes. Only the goroutine that
// answers writes.
type conn struct {
	*net.TCPConn
	body int    // bytes of the body that are awaited behind a header; 0: nothing is held
	left int    // of the answer, once its header was seen
	held []byte // was written, and is not sent yet

	parts   [2][]byte // for sending
	sending net.Buffers
}

// await holds the next header until its body, of n bytes, is there.
func (c *conn) await(n int) { c.body, c.left = n, 0 }

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (int, error) {
	if c.body == 0 {
		return c.TCPConn.Write(b)
	}
	if len(c.held) == 0 {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if c.left = end + 4 + c.body; end < 0 || len(b) > headerRoom {
			c.left = 0
		}
	}
	if c.left -= len(b); c.left > 0 {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	c.body = 0
	if len(c.held) == 0 {
		return c.TCPConn.Write(b)
	}
	c.parts = [2][]byte{c.held, b}
	c.sending = c.parts[:]
	before := len(c.held)
	n, err := c.sending.WriteTo(c.TCPConn)
	c.held, c.parts = c.held[:0], [2][]byte{}
	return max(0, int(n)-before), err
}

// ReadFrom implements [io.ReaderFrom], so that the kernel can send files.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.TCPConn.ReadFrom(r)
}

// flush sends what is held.
func (c *conn) flush() (err error) {
	if len(c.held) > 0 {
		_, err = c.TCPConn.Write(c.held)
	}
	c.body, c.held = 0, c.held[:0]
	return err
}
