// Package personiumtest writes cell snapshots for tests, byte by byte in the way
// Personium 1.8 (export_version 2) writes them.
// It knows nothing of cellar's own reader: what it does follows Personium's
// source, so that a wrong idea about the format cannot hide on both sides.
//
// A [Cell] keeps a model in memory. Its methods do what requests to a Personium
// unit do, with the same traces: a box has no directory before it is first
// opened, every change of a resource raises its version, user data is stored
// under aliases, a property that was never declared gets declared on first use.
//
//	c := personiumtest.New("cell1")
//	app := c.AddBox("app", "https://app.example/")
//	docs := app.Root().AddCollection("docs")
//	docs.AddFile("a.txt", "text/plain", []byte("hello"))
//	err := c.Write(w)
//
// Ids and times come from counters, so that the same calls give the same bytes.
// Wrong use, such as linking two types that cannot be linked, panics.
//
// For a snapshot that is damaged on purpose take [Cell.Entries], change them and
// write them with [WriteZip]; [Entity.Override] and [Node.SetMeta] damage a single
// document while the rest stays whole.
//
// Where it differs from the real thing: the order of documents of one file is
// the one of their ids (Personium asks its database for that, and does not check),
// and the zip headers carry Go's timestamps and versions.
package personiumtest
