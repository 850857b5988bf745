package dav_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"cellar/dav/davtest"
)

// TestRanges: what RFC 9110, 14.1.2 and 14.4 say of odd ranges.
func TestRanges(t *testing.T) {
	t.Parallel()
	s := davtest.New(t)
	s.Mkcol("/cell1/box")
	large := strings.Repeat("0123456789", 10_000) // is no row of the database
	for _, f := range []struct{ path, content string }{{"/cell1/box/ten", "0123456789"}, {"/cell1/box/empty", ""}, {"/cell1/box/large", large}} {
		s.Put(f.path, f.content).Status(http.StatusCreated)
		size := len(f.content)
		for _, c := range []struct {
			asked string
			first int // of the part; whole or none, which are negative
			last  int
		}{
			{"bytes=0-0", 0, 0},
			{"bytes=3-5", 3, 5},
			{"Bytes=3-5", 3, 5},
			{"bytes=3-", 3, size - 1},
			{"bytes=-3", size - 3, size - 1},
			{"bytes=-99999999", 0, size - 1},
			{"bytes=-99999999999999999999", 0, size - 1},
			{"bytes=2-99999999999999999999", 2, size - 1},
			{"bytes=0002-3", 2, 3},
			{"bytes=-0", none, 0},
			{"bytes=9999999-", none, 0},
			{"bytes=99999999999999999999-", none, 0},
			{"bytes=99999999999999999998-99999999999999999999", none, 0},
			{"bytes=9999999-,-0", none, 0},
			{"bytes=9999999-,3-5", 3, 5},
			{"bytes=5-3", whole, 0},
			{"bytes=99999999999999999999-3", whole, 0},
			{"bytes=-", whole, 0},
			{"bytes=", whole, 0},
			{"bytes=a-b", whole, 0},
			{"bytes=+1-2", whole, 0},
			{"bytes=0 - 2", whole, 0},
			{"items=0-2", whole, 0},
			{"0-2", whole, 0},
			{"bytes=" + strings.Repeat("1-1,", 65), whole, 0},
		} {
			r := s.Request("GET", f.path).WithHeader("Range", c.asked).Expect()
			switch {
			case c.first == whole || size == 0:
				r.Status(http.StatusOK).Body().IsEqual(f.content)
				r.Header("Content-Range").IsEmpty()
			case c.first == none:
				davtest.Error(r, "PR416-DV-0001")
				r.Header("Content-Range").IsEqual("bytes */" + strconv.Itoa(size))
				for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition"} {
					r.Header(name).IsEmpty()
				}
			default:
				r.Status(http.StatusPartialContent).Body().IsEqual(f.content[c.first : c.last+1])
				r.Header("Content-Range").IsEqual("bytes " + strconv.Itoa(c.first) + "-" + strconv.Itoa(c.last) + "/" + strconv.Itoa(size))
			}
			// RFC 9110, 14.2: HEAD is about the whole.
			head := s.Request("HEAD", f.path).WithHeader("Range", c.asked).Expect().Status(http.StatusOK)
			head.Header("Content-Length").IsEqual(strconv.Itoa(size))
			head.Header("Content-Range").IsEmpty()
		}
	}
	r := s.Request("GET", "/cell1/box/ten").WithHeader("Range", "bytes=0-1,,99-,-2").Expect().Status(http.StatusPartialContent)
	r.Header("Content-Type").HasPrefix("multipart/byteranges")
	r.Body().Contains("bytes 0-1/10").Contains("bytes 8-9/10").NotContains("bytes 99")
	s.Request("GET", "/cell1/box/large").WithHeader("Range", "bytes="+strings.Repeat("1-1,", 64)).Expect().Status(http.StatusPartialContent)
}

const whole, none = -1, -2
