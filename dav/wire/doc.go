// Package wire is what lies between a connection and the handler: who is at the other end, how
// long a client may stall, and how far an answer has come. It is plain net/http middleware and
// knows nothing of WebDAV.
package wire
