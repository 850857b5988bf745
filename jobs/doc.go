// Package jobs runs long operations as state machines with a ledger.
//
// A job is accepted, runs, and succeeds or fails; [State.Next] knows no other
// way. A [Tracker] keeps the live state in memory, where it can be looked up and
// watched, and writes every transition to a [Ledger] first, so that a restart
// finds what was accepted and runs it again, and shows the outcomes that were shown before. While
// nothing can be written to the ledger, a job that has ended is still shown as running. A fixed number of workers,
// owned by the tracker, does the work; scopes take turns.
//
// The ledger's transaction type is a parameter: what a job changes elsewhere can
// be committed together with its transition, without this package knowing what
// that is.
package jobs
