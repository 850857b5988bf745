package multistatus

import (
	"encoding/xml"
	"strings"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/dav/answer"
)

// ErrXML: the body is no propfind element.
var ErrXML = answer.New(answer.XMLSyntax)

// Asked is what a PROPFIND asks for (RFC 4918, 9.1).
type Asked struct {
	all       bool // allprop, or no body
	namesOnly bool // propname
	names     []xml.Name
}

// Parse reads the body of a PROPFIND; nil asks for all. It returns [ErrXML], and an
// [*answer.Error] for more names than one request can ask for.
func Parse(root *xmltree.Element) (Asked, error) {
	if root == nil {
		return Asked{all: true}, nil
	}
	if root.Name != (xml.Name{Space: Space, Local: "propfind"}) {
		return Asked{}, ErrXML
	}
	var p Asked
	asked, bytes := 0, 0
	seen := map[xml.Name]bool{}
	for _, c := range root.Children {
		if c.Name.Space != Space {
			continue
		}
		switch c.Name.Local {
		case "allprop":
			p.all = true
			asked++
		case "propname":
			p.namesOnly = true
			asked++
		case "prop":
			asked++
			fallthrough
		case "include":
			for _, prop := range c.Children {
				if seen[prop.Name] {
					continue
				}
				seen[prop.Name] = true
				p.names = append(p.names, prop.Name)
				bytes += len(prop.Name.Space) + len(prop.Name.Local)
				if len(p.names) > maxNames || bytes > maxNameBytes {
					return p, answer.New(answer.BodyTooLarge)
				}
			}
		}
	}
	if asked != 1 {
		return p, ErrXML
	}
	return p, nil
}

const (
	// maxNames bounds the properties that one PROPFIND can ask for, and maxNameBytes
	// their names together, in bytes: each stands in every response.
	maxNames     = 1000
	maxNameBytes = 16 << 10
)

// wanted are the dead properties that the answer needs.
func (p *Asked) wanted() cellfs.PropNames {
	if p.all || p.namesOnly {
		return nil
	}
	names := cellfs.PropNames{}
	for _, n := range p.names {
		if !IsProtected(n) {
			names[n] = true
		}
	}
	return names
}

// Depth is that of a PROPFIND; absent means infinity (contract 1.8).
type Depth int

// Infinity lists all that lies below.
const Infinity Depth = -1

// ParseDepth reads the header.
func ParseDepth(v string) (Depth, error) {
	switch strings.ToLower(v) {
	case "0":
		return 0, nil
	case "1", "1,noroot":
		return 1, nil
	case "", "infinity":
		return Infinity, nil
	}
	return 0, answer.New(answer.DepthValue, v)
}
