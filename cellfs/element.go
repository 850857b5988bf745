package cellfs

import (
	"encoding/xml"
	"strings"
)

// Element writes a complete element around inner, which must declare the
// namespaces it uses.
func Element(name xml.Name, lang, inner string) string { return ElementWith(name, lang, "", inner) }

// ElementWith is [Element] with more attributes, ready to be written.
func ElementWith(name xml.Name, lang, attributes, inner string) string {
	var b strings.Builder
	b.WriteString("<" + name.Local)
	if name.Space != "" {
		b.WriteString(` xmlns="`)
		xml.EscapeText(&b, []byte(name.Space))
		b.WriteString(`"`)
	} else {
		b.WriteString(` xmlns=""`)
	}
	b.WriteString(attributes)
	if lang != "" && !strings.Contains(attributes, " xml:lang=") {
		b.WriteString(` xml:lang="`)
		xml.EscapeText(&b, []byte(lang))
		b.WriteString(`"`)
	}
	if inner == "" {
		b.WriteString("/>")
	} else {
		b.WriteString(">" + inner + "</" + name.Local + ">")
	}
	return b.String()
}
