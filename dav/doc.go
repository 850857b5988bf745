// Package dav serves a unit over HTTP: WebDAV (RFC 4918) for the tree, and the
// APIs of Personium for cells, boxes, exports and the event log.
//
// A request takes one way: the edge (limits, request key, overrides, common
// headers), the caller (who asks), the target (what the URL names), the
// privilege, and then one handler by target and method. Handlers return an
// error or write an answer; errors become answers in one table (status.go).
package dav
