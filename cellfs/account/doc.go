// Package account keeps the accounts and roles of cells: who may log in, with which
// password, and as what (contract 5.7, 5.9).
//
// An account is a control object. Its document is what clients see; the hash of its
// password is hidden. Hashes have the form that Personium has, so that imported
// accounts log in with the passwords they had.
package account
