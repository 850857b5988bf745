package barfs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"

	"cellar/barfs/xmltree"
)

// propRoom is how many dead properties, and bytes of them, a resource may still declare.
type propRoom struct {
	count int
	bytes int64
}

// take counts a property, and reports whether there was room for it.
func (l *propRoom) take(p *xmltree.Element) bool {
	l.count--
	l.bytes -= int64(p.Size())
	return l.count >= 0 && l.bytes >= 0
}

// exceeded is the error for the resource with that href.
func (l *propRoom) exceeded(href string) error {
	what := "properties"
	if l.count >= 0 {
		what = "bytes of properties"
	}
	return &tooManyProps{fmt.Sprintf("90_rootprops.xml: %s declares too many %s", href, what)}
}

// tooManyProps is the fault of a resource that declares more than the limits allow.
type tooManyProps struct{ cause string }

func (e *tooManyProps) Error() string { return e.cause }

// checkProps refuses a 90_rootprops.xml with a resource that declares more dead properties
// than the limits allow. Most cannot, which is seen without reading them as XML.
func (a *Archive) checkProps() error {
	text, err := a.Read(RootPropsFile)
	if err != nil || !a.mayExceed(text) {
		return nil // what else is wrong is told when the bar is installed
	}
	_, err = a.RootProps()
	var exceeded *tooManyProps
	if errors.As(err, &exceeded) {
		return refuse(Structure, exceeded.cause)
	}
	return nil
}

// mayExceed reports whether what lies between two tags of responses is so long, or has so
// many tags, that it can be too much. In another encoding than UTF-8 all is one piece.
func (a *Archive) mayExceed(text []byte) bool {
	for piece := range bytes.SplitSeq(text, []byte("response>")) {
		if int64(len(piece)) > a.limits.PropBytes || bytes.Count(piece, []byte("<")) > a.limits.Props {
			return true
		}
	}
	return false
}

// What live properties, which do not count, may take besides.
const (
	liveProps = 32
	liveBytes = 64 << 10
)

// scanProps finds responses that are far too large while they are read, in no memory: as
// trees they could take much. It says nothing of others.
func (a *Archive) scanProps(text []byte) error {
	if !a.mayExceed(text) {
		return nil
	}
	const inProp = 4 // multistatus, response, propstat, prop
	d, err := xmltree.NewDecoder(text)
	if err != nil {
		return nil
	}
	depth := 0
	var room propRoom
	var begin int64
	for {
		before := d.InputOffset()
		t, err := d.RawToken()
		if err != nil {
			return nil
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch depth++; depth {
			case 2:
				room = propRoom{a.limits.Props + liveProps, a.limits.PropBytes + liveBytes}
			case inProp + 1:
				if begin = before; t.Name.Local == "acl" {
					begin = -1 // has a limit of its own
				}
			}
		case xml.EndElement:
			if depth == inProp+1 {
				if room.count--; begin >= 0 {
					room.bytes -= d.InputOffset() - begin
				}
			}
			depth--
		}
		if depth >= inProp && (room.count < 0 || room.bytes < 0) {
			return room.exceeded("a resource")
		}
	}
}
