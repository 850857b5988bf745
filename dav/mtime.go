package dav

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
)

// mtime reads X-OC-Mtime: seconds since 1970, by which rclone and ownCloud's
// clients keep the time of a file. Zero for none.
func (q *request) mtime() (time.Time, error) {
	v := q.Header.Get("X-Oc-Mtime")
	if v == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1e11 {
		return time.Time{}, codef("PR400-DV-0009", "Request header %s value is invalid [%s].", "X-OC-Mtime", printable(v))
	}
	q.w.Header()["X-OC-Mtime"] = []string{"accepted"}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC(), nil
}

const win32Space = "urn:schemas-microsoft-com:"

// splitTimes takes modification times out of the properties to set: they are the
// file's, not dead properties. Windows sets its own, which stays readable too.
func splitTimes(patches []cellfs.PropPatch) (dead []cellfs.PropPatch, mtime time.Time, err error) {
	for _, p := range patches {
		standard := p.Space == davSpace && p.Local == "getlastmodified"
		windows := p.Space == win32Space && p.Local == "Win32LastModifiedTime"
		if (standard || windows) && !p.Remove {
			root, xerr := xmltree.Parse([]byte(p.XML))
			if xerr != nil {
				return nil, mtime, errXML
			}
			text := strings.TrimSpace(root.Text())
			if mtime, err = http.ParseTime(text); err != nil {
				mtime, err = time.Parse(time.RFC3339, text)
			}
			if err != nil {
				return nil, mtime, codef("PR400-DV-0002", "XML content error.")
			}
		}
		if !standard {
			dead = append(dead, p)
		}
	}
	return dead, mtime.UTC(), nil
}
