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
// Its methods take a check, which evaluates the preconditions of a request inside the transaction
// that publishes. Package webdavfs is the tree as the handler of golang.org/x/net/webdav sees it.
package cellfs
