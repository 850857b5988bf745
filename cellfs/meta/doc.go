// Package meta keeps the rows of package cellfs in SQL: it implements
// [cellfs.Meta].
//
// The statements are written once; what differs between engines (placeholders,
// pragmas, how ids are made, how driver errors read) is a dialect. The
// SQLite dialect has one writer goroutine that runs waiting Updates as
// savepoints of one transaction, so that many writers share one sync
// (group commit). Readers have connections of their own and see one point in
// time each.
package meta
