// Package odata reads the user data of OData collections (DECISIONS 18) as
// OData 2.0 JSON: entity sets, entities, and links between them.
//
// It only reads: what lies in such a collection comes from bars and imports.
package odata
