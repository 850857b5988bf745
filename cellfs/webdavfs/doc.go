// Package webdavfs is the tree as golang.org/x/net/webdav sees it: files, and locks. With it the
// stock handler can serve a tree; the server's own handler, package dav, evaluates the conditions of
// a request inside the transaction that does its work, for which these interfaces have no place. What
// one of the two locks, the other respects.
package webdavfs
