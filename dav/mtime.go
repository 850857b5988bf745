package dav

import (
	"encoding/xml"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cellar/barfs/xmltree"
	"cellar/cellfs"
	"cellar/dav/answer"
)

// mtime reads X-OC-Mtime: seconds since 1970, by which rclone and ownCloud's
// clients keep the time of a file. Zero for none.
func (q *request) mtime() (time.Time, error) {
	v := q.Header.Get("X-Oc-Mtime")
	if v == "" {
		return time.Time{}, nil
	}
	t, err := unixTime(v)
	if err != nil {
		return t, answer.New(answer.HeaderValue, "X-OC-Mtime", cellfs.Printable(v))
	}
	q.w.Header()["X-OC-Mtime"] = []string{"accepted"}
	return t, nil
}

// errTime: a time that cannot be read, or that no header could show.
var errTime = errors.New("not a time")

// unixTime reads seconds since 1970, which may have a fraction.
func unixTime(text string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1e12 {
		return time.Time{}, errTime
	}
	return shownTime(time.UnixMicro(int64(math.Round(seconds * 1e6))))
}

// shownTime refuses years that an HTTP date has no room for (RFC 9110, 5.6.7), and the zero
// time, which stands for none.
func shownTime(t time.Time) (time.Time, error) {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 || t.IsZero() {
		return time.Time{}, errTime
	}
	return t, nil
}

// dateForms are those in which clients write times, besides those of HTTP.
var dateForms = []string{time.RFC3339, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 UTC", "Mon, 2 Jan 2006 15:04:05 Z"}

// dateTime reads a date.
func dateTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	t, err := http.ParseTime(text)
	for _, form := range dateForms {
		if err != nil {
			t, err = time.Parse(form, text)
		}
	}
	if err != nil {
		return t, errTime
	}
	return shownTime(t)
}

const win32Space = "urn:schemas-microsoft-com:"

// times are the properties that set the time of a file, and how each is read. ownCloud's
// clients, rclone as one of them, send seconds. What Windows sets stays readable too.
var times = map[xml.Name]struct {
	read func(string) (time.Time, error)
	live bool // no dead property besides
}{
	dav("getlastmodified"):                              {dateTime, true},
	dav("lastmodified"):                                 {unixTime, true},
	{Space: win32Space, Local: "Win32LastModifiedTime"}: {dateTime, false},
}

// splitTimes takes modification times out of the properties to set: they are the
// file's, not dead properties. wrong are the indexes of those that are no times.
func splitTimes(patches []cellfs.PropPatch) (dead []cellfs.PropPatch, mtime time.Time, wrong []int) {
	for i, p := range patches {
		how, is := times[nameOf(p)]
		if is && !p.Remove {
			root, err := xmltree.Parse([]byte(p.XML))
			var t time.Time
			if err == nil {
				t, err = how.read(root.Text())
			}
			if err != nil {
				wrong = append(wrong, i)
				continue
			}
			mtime = t
		}
		if !how.live {
			dead = append(dead, p)
		}
	}
	return dead, mtime, wrong
}
