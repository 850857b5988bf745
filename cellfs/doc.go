// Package cellfs is the cell tree: unit, cells, boxes, collections and files.
//
// Names, properties and access rights are rows in a [Meta] store; contents are
// immutable blobs, small ones beside their row and large ones in a [Blobs]
// store. [FS] puts the two together. What it promises:
//
//   - An upload is staged completely before one transaction publishes it. A
//     reader sees the old content or the new one, never a part.
//   - COPY, MOVE and DELETE of a tree are one transaction each. An operation
//     that returns an error has changed nothing.
//   - Bytes are durable before the row that names them; a sweeper removes them
//     some time after the last row that named them.
//
// FS implements [golang.org/x/net/webdav.FileSystem], so that the stock handler
// can serve it; package dav uses the richer methods, which evaluate a request's
// preconditions inside the transaction that publishes.
package cellfs
