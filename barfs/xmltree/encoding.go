package xmltree

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// NewDecoder returns a decoder of a text in any of the encodings that [Parse] reads.
func NewDecoder(text []byte) (*xml.Decoder, error) {
	r, labels, err := decoded(text)
	d := xml.NewDecoder(r)
	d.CharsetReader = labels
	return d, err
}

// decoded returns a text in UTF-8, if it is in UTF-16, and reads the labels of other
// encodings (XML 1.0, 4.3.3 and appendix F; RFC 4918, 8.2).
func decoded(text []byte) (io.Reader, func(label string, rest io.Reader) (io.Reader, error), error) {
	order := byteOrder(text)
	if order == nil {
		return bytes.NewReader(text), relabel, nil
	}
	wide, err := fromUTF16(text, order)
	return bytes.NewReader(wide), func(label string, rest io.Reader) (io.Reader, error) {
		if !strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return nil, fmt.Errorf("text in UTF-16 is labelled %q", label)
		}
		return rest, nil
	}, err
}

// byteOrder is that of a text in UTF-16, by its mark or its first tag; nil for others.
func byteOrder(text []byte) binary.ByteOrder {
	switch {
	case len(text) < 2:
	case text[0] == 0xfe && text[1] == 0xff, text[0] == 0 && text[1] == '<':
		return binary.BigEndian
	case text[0] == 0xff && text[1] == 0xfe, text[0] == '<' && text[1] == 0:
		return binary.LittleEndian
	}
	return nil
}

var errUTF16 = errors.New("text is not UTF-16")

func fromUTF16(text []byte, order binary.ByteOrder) ([]byte, error) {
	if len(text)%2 != 0 {
		return nil, errUTF16
	}
	wide := make([]byte, 0, len(text))
	for i := 0; i < len(text); i += 2 {
		r := rune(order.Uint16(text[i:]))
		if utf16.IsSurrogate(r) {
			if i += 2; i == len(text) {
				return nil, errUTF16
			}
			if r = utf16.DecodeRune(r, rune(order.Uint16(text[i:]))); r == utf8.RuneError {
				return nil, errUTF16
			}
		}
		if i > 0 || r != '\ufeff' {
			wide = utf8.AppendRune(wide, r)
		}
	}
	return wide, nil
}

// relabel reads what follows the declaration of a text in bytes, by the name of its encoding.
func relabel(label string, rest io.Reader) (io.Reader, error) {
	text, err := io.ReadAll(rest)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(label) {
	case "utf8": // the decoder knows "utf-8"
	case "us-ascii", "ascii":
		if bytes.ContainsFunc(text, func(r rune) bool { return r > 0x7f }) {
			return nil, errors.New("text is not ASCII")
		}
	case "iso-8859-1", "latin1":
		wide := make([]byte, 0, len(text)+len(text)/8)
		for _, c := range text {
			wide = utf8.AppendRune(wide, rune(c))
		}
		text = wide
	default:
		return nil, fmt.Errorf("encoding %q is not known", label)
	}
	return bytes.NewReader(text), nil
}
