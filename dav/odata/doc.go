// Package odata speaks OData 2.0 as JSON. It reads the user data of OData collections
// (contract 1.17): entity sets, entities, and links between them; what lies in such a
// collection comes from bars and imports. And it is the form in which clients see and
// change control objects: keys, queries, bodies and answers.
package odata
