package odata

import (
	"bytes"
	"encoding/json"
	"errors"
)

// field is a member of a document: its name and value as they stand there.
type field struct {
	name  []byte // between the quotes
	value json.RawMessage
}

// errDocument: a document is not the JSON that the server wrote.
var errDocument = errors.New("the document is damaged")

// appendFields appends the members of a document, a JSON object that the server wrote, without decoding
// their values: a query looks at a few of them, in very many documents. Escapes in names stay.
func appendFields(all []field, doc []byte) ([]field, error) {
	at := skipBlanks(doc, 0)
	if at == len(doc) || doc[at] != '{' {
		return all, errDocument
	}
	at = skipBlanks(doc, at+1)
	if at < len(doc) && doc[at] == '}' {
		return all, nil
	}
	for {
		begin := at
		if at = skipText(doc, at); at < 0 {
			return all, errDocument
		}
		name := doc[begin+1 : at-1]
		if at = skipBlanks(doc, at); at == len(doc) || doc[at] != ':' {
			return all, errDocument
		}
		begin = skipBlanks(doc, at+1)
		if at = skipValue(doc, begin); at < 0 {
			return all, errDocument
		}
		all = append(all, field{name, doc[begin:at]})
		if at = skipBlanks(doc, at); at == len(doc) {
			return all, errDocument
		}
		switch doc[at] {
		case '}':
			return all, nil
		case ',':
			at = skipBlanks(doc, at+1)
		default:
			return all, errDocument
		}
	}
}

func skipBlanks(doc []byte, at int) int {
	for at < len(doc) && (doc[at] == ' ' || doc[at] == '\n' || doc[at] == '\t' || doc[at] == '\r') {
		at++
	}
	return at
}

// skipText is the end of the text that begins at a place; -1 if none does.
func skipText(doc []byte, at int) int {
	if at >= len(doc) || doc[at] != '"' {
		return -1
	}
	for at++; at < len(doc); at++ {
		i := bytes.IndexByte(doc[at:], '"')
		if i < 0 {
			return -1
		}
		escapes := 0
		for at += i; doc[at-1-escapes] == '\\'; escapes++ {
		}
		if escapes%2 == 0 {
			return at + 1
		}
	}
	return -1
}

// skipValue is the end of the value that begins at a place; -1 if none does.
func skipValue(doc []byte, at int) int {
	if at >= len(doc) {
		return -1
	}
	switch doc[at] {
	case '"':
		return skipText(doc, at)
	case '{', '[':
		for depth := 0; at < len(doc); at++ {
			switch doc[at] {
			case '"':
				if at = skipText(doc, at) - 1; at < 0 {
					return -1
				}
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
		}
		return -1
	}
	begin := at
	for at < len(doc) && doc[at] != ',' && doc[at] != '}' && doc[at] != ']' && doc[at] != ' ' && doc[at] != '\n' && doc[at] != '\t' && doc[at] != '\r' {
		at++
	}
	if at == begin {
		return -1
	}
	return at
}
