package davtest

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
)

// Listing reads the answer to a PROPFIND: properties by path below base. DAV
// properties go by their local names, others by {namespace}name; an ACL is shown
// as "{principal:privilege,…}" for each ace of its own, its base as "acl base", a
// service definition as "language=…; subject=…; path … -> …".
func Listing(t testing.TB, multistatus []byte, base string) map[string]map[string]string {
	t.Helper()
	type prop struct {
		XMLName xml.Name
		Base    string `xml:"base,attr"`
		Lang    string `xml:"language,attr"`
		Subject string `xml:"subject,attr"`
		Paths   []struct {
			Name string `xml:"name,attr"`
			Src  string `xml:"src,attr"`
		} `xml:"path"`
		Text  string `xml:",chardata"`
		Inner string `xml:",innerxml"`
		ACEs  []struct {
			Href       string    `xml:"principal>href"`
			All        *struct{} `xml:"principal>all"`
			Inherited  *struct{} `xml:"inherited"`
			Privileges []struct {
				Names []struct{ XMLName xml.Name } `xml:",any"`
			} `xml:"grant>privilege"`
		} `xml:"ace"`
	}
	var ms struct {
		Responses []struct {
			Href  string `xml:"href"`
			Props struct {
				All []prop `xml:",any"`
			} `xml:"propstat>prop"`
		} `xml:"response"`
	}
	if err := xml.Unmarshal(multistatus, &ms); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, r := range ms.Responses {
		path, err := url.PathUnescape(strings.Trim(strings.TrimPrefix(r.Href, base), "/"))
		if err != nil {
			t.Fatal(err)
		}
		all[path] = map[string]string{}
		for _, x := range r.Props.All {
			name := x.XMLName.Local
			if x.XMLName.Space != "DAV:" {
				name = "{" + x.XMLName.Space + "}" + name
			}
			all[path][name] = x.Text
			switch name {
			case "resourcetype":
				all[path][name] = x.Inner
			case "{urn:x-personium:xmlns}service":
				text := "language=" + x.Lang
				if x.Subject != "" {
					text += "; subject=" + x.Subject
				}
				for _, path := range x.Paths {
					text += "; path " + path.Name + " -> " + path.Src
				}
				all[path][name] = text
			case "acl":
				all[path]["acl base"] = x.Base
				var text strings.Builder
				for _, e := range x.ACEs {
					if e.Inherited != nil {
						continue
					}
					who := e.Href
					if e.All != nil {
						who = "(all)"
					}
					var grants []string
					for _, g := range e.Privileges {
						for _, n := range g.Names {
							grants = append(grants, n.XMLName.Local)
						}
					}
					text.WriteString("{" + who + ":" + strings.Join(grants, ",") + "}")
				}
				all[path][name] = text.String()
			}
		}
	}
	return all
}
